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
from app.predictor import features
from app.predictor.baselines import Baselines
from app.predictor.classifiers import Calibrator, Challenger, turn
from app.predictor.deviations import Deviations
from app.predictor.drift import Watches
from app.predictor.features import Features
from app.predictor.level import LevelRegression
from app.predictor.memory import Levels, Memory
from app.predictor.pending import Pending, brief, matched
from app.predictor.scores import Scores
from app.predictor.tally import Scored

__all__ = ["MODELS", "Forecaster", "Learnt", "Rules"]

MODELS = ("regression", "direct")
NEVER = -(2**40)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is foreseen: windows of size, lead ahead (seconds), over threshold (volts).

    An alert is a probability of at least alert_probability.
    """

    size: int
    lead: int
    threshold: float
    alert_probability: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What came of a window: labels scored, drifts found, a new champion if any."""

    scored: int = 0
    drifts: tuple[str, ...] = ()
    champion: str | None = None


class Forecaster:
    """The models of one lane and all that they must remember."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.champion = MODELS[0]
        self.centre: float | None = None
        self.index = KeyIndex()
        self.keys = np.zeros(0, np.int64)
        self.last = np.zeros(0, np.int64)
        self.level = LevelRegression(rules.lead)
        self.deviations = Deviations()
        self.calibrator = Calibrator()
        self.challenger = Challenger()
        self.baselines = Baselines()
        self.memory = Memory(rules.size, rules.lead)
        self.pending: dict[int, list[Pending]] = {}
        self.scores = Scores()
        self.watches = Watches(rules.size)
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
        slots = self._slots_of(window.key)
        new = self.last[slots] < window.start
        return window if new.all() else window.take(new)

    def learn(self, window: ClosedWindow) -> Learnt:
        """Score what awaited the rows of a window, all fresh, and learn them."""
        if not len(window):
            return Learnt()
        slots = self._slots_of(window.key)
        if self.centre is None:
            self.centre = float(round(_mean(window.maximum)))
        level = self.deviations.level(slots, window.maximum)
        now = brief(self.deviations.observe(slots, window.maximum, level))
        learnt = Learnt()
        for past in [target for target in self.pending if target < window.start]:
            del self.pending[past]
        for waiting in self.pending.get(window.start, ()):
            places, rows = matched(waiting.key, window.key)
            if len(rows):
                labels = _Labels(
                    window.start, slots[rows], window.maximum[rows], level - self.centre
                )
                missed = self._learn_labels(waiting, places, labels)
                learnt = self._judge(waiting, places, labels, missed)
        self.baselines.learn_hour(window.start, window.maximum > self.rules.threshold)
        levels = Levels(level, _mean(window.mean), _mean(window.minimum))
        self.memory.add(window.start, levels, slots, now)
        self.last[slots] = window.start
        return learnt

    def predict(
        self, window: ClosedWindow, celsius: float | None, made: int
    ) -> Predictions:
        """Foresee the maxima one horizon after a window that was learnt."""
        target = window.start + self.rules.lead
        slots = self._slots_of(window.key)
        lags = self.memory.lags(window.start, self.centre or 0.0)
        x = features.shared(target, celsius, lags)
        self.watches.foresee(target, celsius)
        waiting = self._foresee(x, target, window, slots, made)
        self.pending.setdefault(target, []).append(waiting)
        self.scores.made += len(window)
        return Predictions(
            target=target,
            made_from=window.start,
            celsius=celsius,
            key=window.key,
            probability=waiting.published,
            alert=waiting.published >= self.rules.alert_probability,
        )

    def _foresee(
        self,
        x: Features,
        target: int,
        window: ClosedWindow,
        slots: NDArray[np.int64],
        made: int,
    ) -> Pending:
        threshold, deviations = self.rules.threshold, self.deviations
        mean, doubt = self.level.predict_one(x)
        then = self.memory.deviation_then(window.start, slots, len(self.last))
        signs = brief(np.stack([deviations.now[slots], then]))
        foretold = (self.centre or 0.0) + mean + deviations.habit[slots]
        foretold += deviations.foretell(signs)
        margin = (foretold - threshold) / np.sqrt(doubt + deviations.noise[slots])
        margin = brief(margin)
        over, near = self.challenger.inputs(window.maximum, threshold)
        near = brief(near)
        models = {
            "regression": brief(self.calibrator.predict_many(margin)),
            "direct": brief(self.challenger.predict_many(x, over, near)),
        }
        return Pending(
            x=x,
            made=made,
            doubt=doubt,
            climatology=self.baselines.climatology(target),
            persistence=self.baselines.persistence(),
            key=window.key,
            foretold=brief(foretold),
            margin=margin,
            signs=signs,
            near=near,
            over=over,
            published=models[self.champion],
            **models,
        )

    def _learn_labels(
        self, waiting: Pending, places: NDArray[np.intp], labels: "_Labels"
    ) -> float:
        over = labels.maximum > self.rules.threshold
        missed = self.level.learn_one(waiting.x, labels.level)
        self.deviations.learn(
            labels.slots,
            waiting.signs[:, places],
            labels.maximum - waiting.foretold[places],
            waiting.doubt,
        )
        for row in turn(len(places), labels.start // self.rules.size):
            place, label = places[row], bool(over[row])
            self.calibrator.learn_one(float(waiting.margin[place]), label)
            self.challenger.learn_one(
                waiting.x, float(waiting.over[place]), float(waiting.near[place]), label
            )
        self.baselines.learn_follows(waiting.over[places] > 0, over)
        return missed

    def _judge(
        self,
        waiting: Pending,
        places: NDArray[np.intp],
        labels: "_Labels",
        missed: float,
    ) -> Learnt:
        label = labels.maximum > self.rules.threshold
        probability = waiting.probabilities(places)
        scored = Scored(
            probability=probability,
            label=label,
            same=waiting.over[places] > 0,
            alert=waiting.published[places] >= self.rules.alert_probability,
            lead=float(labels.start - waiting.made),
        )
        new_day = self.scores.add(labels.start, scored)
        published = probability[0]
        wrong = _mean(np.where(label, 1.0 - published, published))
        drifts = self.watches.judge(labels.start, wrong, missed)
        if drifts:
            self.level.loosen()
        champion = None
        if new_day and self.scores.prefers_other(self.champion):
            champion = next(name for name in MODELS if name != self.champion)
            self.champion = champion
        return Learnt(scored=len(label), drifts=drifts, champion=champion)

    def _slots_of(self, key: NDArray[np.int64]) -> NDArray[np.int64]:
        if len(key) != len(self._asked) or not (key == self._asked).all():
            self._slots = self.index.slots(key)
            self._asked = key
            unknown = len(self.index) - len(self.last)
            if unknown:
                never = np.full(unknown, NEVER)
                self.last = np.concatenate([self.last, never])
                self.keys = np.concatenate([self.keys, never])
                self.keys[self._slots] = key
                self.deviations.grow(len(self.index), self.level.noise)
        return self._slots


def _mean(column: NDArray[np.float64]) -> float:
    return float(np.add.reduce(column)) / len(column)


@dataclass(frozen=True, slots=True)
class _Labels:
    """What came of some predictions: volts by transformer, and the lane's level."""

    start: int
    slots: NDArray[np.int64]
    maximum: NDArray[np.float64]
    level: float
