"""The forecaster of one lane: predict first, learn when the label arrives.

A lane's windows close in the order of their starts. `learn` takes what closed as the
labels of the predictions that wait for that start, and as what was last; `predict`
then foresees the window one horizon ahead. A row that was learnt, by transformer and
start, is never learnt again: what is replayed changes nothing and foresees nothing.

Two models run side by side. `regression` foresees volts and asks its calibrator for
the probability, `direct` learns the label directly. One of them is the champion, whose
probabilities are published; the other takes its place when it proves better (scores).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.columns import KeyIndex
from app.domain.predictions import ClosedWindow, Predictions
from app.predictor import alone, features
from app.predictor.baselines import Baselines
from app.predictor.classifiers import Calibrator, Challenger, turn
from app.predictor.deviations import Deviations
from app.predictor.drift import Watches
from app.predictor.features import Features
from app.predictor.level import LevelRegression
from app.predictor.memory import Levels, Memory
from app.predictor.pending import (
    FOR_CLASSIFIERS,
    MODELS,
    SIGNS,
    Pending,
    matched,
    same,
)
from app.predictor.rules import Rules
from app.predictor.scores import Scores

__all__ = ["MODELS", "Forecaster", "Learnt", "Rules"]

NEVER = -(2**40)


@dataclass(slots=True, kw_only=True)
class Learnt:
    """What came of a window: labels scored, drifts found, a new champion if any."""

    scored: int = 0
    drifts: tuple[str, ...] = ()
    champion: str | None = None

    def and_then(self, other: "Learnt") -> "Learnt":
        """Return what came of this and of the other."""
        return Learnt(
            scored=self.scored + other.scored,
            drifts=self.drifts + other.drifts,
            champion=other.champion or self.champion,
        )


NOTHING = Learnt()


class Forecaster:
    """The models of one lane and all that they must remember."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.champion = MODELS[0]
        self.centre: float | None = None
        self.index = KeyIndex()
        self.keys = np.zeros(0, np.int64)
        self.last = np.zeros(0, np.int64)
        self.newest = NEVER
        self.level = LevelRegression(rules.lead)
        self.deviations = Deviations()
        self.calibrator = Calibrator()
        self.challenger = Challenger()
        self.baselines = Baselines()
        self.memory = Memory(rules.size, rules.lead)
        self.pending: dict[int, list[Pending]] = {}
        self.scores = Scores(rules.alert_probability)
        self.watches = Watches(rules.size)
        self.renewed = ""  # why models that were read back have begun anew
        self._asked = np.zeros(0, np.int64)
        self._slots = np.zeros(0, np.int64)

    @property
    def transformers(self) -> int:
        """How many transformers were seen."""
        return len(self.last)

    def advance(
        self, window: ClosedWindow, celsius: float | None, made: int
    ) -> tuple[Learnt, Predictions]:
        """Learn what closed, then foresee the window one horizon ahead.

        celsius is the temperature foreseen for that window, made the moment at which
        it is foreseen, epoch seconds.
        """
        fresh = self.fresh(window)
        learnt = self.learn(fresh)
        return learnt, self.predict(fresh, celsius, made)

    def fresh(self, window: ClosedWindow) -> ClosedWindow:
        """Return the rows that were not learnt yet."""
        if window.start > self.newest:
            return window
        new = self.last[self.slots_of(window.key)] < window.start
        return window if new.all() else window.take(new)

    def learn(self, window: ClosedWindow) -> Learnt:
        """Score what awaited the rows of a window, all fresh, and learn them."""
        if not len(window.key):
            return NOTHING
        start, maximum = window.start, window.maximum
        slots = self.slots_of(window.key)
        if self.centre is None:
            self.centre = float(round(_mean(maximum)))
        level, now = self.deviations.observe(slots, maximum)
        over = maximum > self.rules.threshold
        while self.pending and (first := next(iter(self.pending))) < start:
            del self.pending[first]
        every = _Labels(start, slots, maximum, over, level - self.centre)
        learnt = NOTHING
        for waiting in self.pending.get(start, ()):
            awaited, labels = waiting, every
            if not same(waiting.key, self._asked):
                places, rows = matched(waiting.key, self._asked)
                if not len(rows):
                    continue
                awaited, labels = waiting.take(places), every.take(rows)
            missed = self._learn_labels(awaited, labels)
            judged = self._judge(awaited, labels, missed)
            learnt = judged if learnt is NOTHING else learnt.and_then(judged)
        self.baselines.learn_hour(start, int(np.count_nonzero(over)), len(over))
        levels = Levels(level, _mean(window.mean), _mean(window.minimum))
        self.memory.add(start, levels, slots, now)
        self.last[slots] = start
        self.newest = max(start, self.newest)
        return learnt

    def predict(
        self, window: ClosedWindow, celsius: float | None, made: int
    ) -> Predictions:
        """Foresee the maxima one horizon after a window that was learnt."""
        target = window.start + self.rules.lead
        lags = self.memory.lags(window.start, self.centre or 0.0)
        x = features.shared(target, celsius, lags)
        mean, doubt = self.level.predict_one(x)
        if len(window) == 1:
            columns = alone.foresee(self, x, window, mean, doubt)
        else:
            columns = self._columns(x, window, mean, doubt)
        made_now = Pending(
            x=x,
            made=made,
            champion=self.champion,
            doubt=doubt,
            climatology=self.baselines.climatology(target),
            persistence=self.baselines.persistence(),
            key=self._asked,  # which is equal, and so is held once
            columns=columns,
        )
        published = made_now.published
        if len(published):
            self.watches.foresee(target, celsius)
            self.pending.setdefault(target, []).append(made_now)
            self.scores.made += len(published)
        return Predictions(
            target=target,
            made_from=window.start,
            celsius=celsius,
            key=window.key,
            probability=published,
            alert=published >= self.rules.alert_probability,
        )

    def _columns(
        self, x: Features, window: ClosedWindow, mean: float, doubt: float
    ) -> NDArray[np.float32]:
        """Return the columns of `pending.COLUMNS`."""
        slots, threshold = self.slots_of(window.key), self.rules.threshold
        deviations = self.deviations
        now = deviations.now[slots]
        then = self.memory.deviation_then(window.start, slots, len(self.last))
        foretold = deviations.foretell(now, then)
        foretold += deviations.habit[slots]
        foretold += (self.centre or 0.0) + mean
        margin = foretold - threshold
        margin /= np.sqrt(doubt + deviations.noise[slots])
        over, near = self.challenger.inputs(window.maximum, threshold)
        regression = self.calibrator.predict_many(margin)
        direct = self.challenger.predict_many(x, over, near)
        column = regression, direct, over, near, margin, foretold, now, then
        return np.array(column, np.float32)

    def _learn_labels(self, waiting: Pending, labels: "_Labels") -> float:
        """Learn labels; return by how many deviations the lane's level was missed."""
        if len(labels.over) == 1:
            slot, maximum = labels.slots.item(), labels.maximum.item()
            return alone.learn(self, waiting, slot, maximum, labels.level)
        missed = self.level.learn_one(waiting.x, labels.level)
        error = labels.maximum - waiting.column("foretold")
        signs = waiting.columns[SIGNS:]
        self.deviations.learn(labels.slots, signs, error, waiting.doubt)
        over = labels.over.tolist()
        rows = turn(len(over), labels.start // self.rules.size)
        seen = waiting.columns[FOR_CLASSIFIERS, rows].T.tolist()
        for (before, near, margin), label in zip(seen, over[rows], strict=True):
            self.calibrator.learn_one(margin, label)
            self.challenger.learn_one(waiting.x, before, near, label)
        self.baselines.learn_follows(waiting.column("over").tolist(), over)
        return missed

    def _judge(self, waiting: Pending, labels: "_Labels", missed: float) -> Learnt:
        """Score labels; look for drift, and for a better champion."""
        new_day = self.scores.take(labels.start, waiting, labels.over)
        if len(labels.over) == 1:  # without NumPy's cost of a call
            loss = abs(labels.over.item() - waiting.column(waiting.champion).item())
        else:
            loss = _mean(np.abs(labels.over - waiting.published))
        drifts = self.watches.judge(labels.start, loss, missed)
        if drifts or (new_day and self.level.is_unsettled):
            self.level.loosen()
        champion = None
        if new_day and self.scores.prefers_other(self.champion):
            champion = next(name for name in MODELS if name != self.champion)
            self.champion = champion
        return Learnt(scored=len(labels.over), drifts=drifts, champion=champion)

    def slots_of(self, key: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the slots of transformers; those that are new get one."""
        if not same(key, self._asked):
            self._slots = self.index.slots(key)
            unknown = len(self.index) - len(self.last)
            if unknown:
                never = np.full(unknown, NEVER)
                self.last = np.concatenate([self.last, never])
                self.keys = np.concatenate([self.keys, never])
                self.keys[self._slots] = key
                self.deviations.grow(len(self.index), self.level.noise)
            self._asked = key
        return self._slots


def _mean(column: NDArray[np.float64]) -> float:
    if len(column) == 1:
        return column.item()
    return float(np.add.reduce(column)) / len(column)


@dataclass(slots=True)
class _Labels:
    """What came of some predictions, by transformer: volts, and whether over.

    level is the lane's, in volts from its centre.
    """

    start: int
    slots: NDArray[np.int64]
    maximum: NDArray[np.float64]
    over: NDArray[np.bool_]
    level: float

    def take(self, rows: NDArray[np.intp]) -> "_Labels":
        """Return some of the labels."""
        slots, maximum, over = self.slots[rows], self.maximum[rows], self.over[rows]
        return _Labels(self.start, slots, maximum, over, self.level)
