"""Versions of a forecaster's models: what was learnt, kept to be gone back to.

A version holds what labels have taught: the regression in volts, habits, calibrator,
challenger, counts of the baselines. What a lane remembers of its last windows, what
waits for labels, and the scores are the present's, and stay where it goes back.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import orjson

from app.errors import RejectedState
from app.predictor import features
from app.predictor import state as parts
from app.predictor.checkpoint import model_of, rules_in
from app.predictor.deviations import COLUMNS, Deviations
from app.predictor.online import Forecaster, Rules
from app.predictor.scores import figures
from app.predictor.state import State, column, number, read
from app.predictor.tally import Tally

__all__ = ["FORMAT", "Version", "check", "restore", "take"]

FORMAT = 1
SUMMARY_SCORES = ("accuracy", "log_loss", "calibration_error", "roc_auc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """The models of a moment.

    number is the start of the window that was learnt last, made the moment, both in
    epoch seconds. What it holds is a copy; only who publishes it has it written out.
    """

    number: int
    made: int
    parts: dict[str, Any]
    counts: dict[str, Any]
    week: Tally

    @property
    def state(self) -> bytes:
        """The models as JSON."""
        return orjson.dumps(self.parts, option=orjson.OPT_SERIALIZE_NUMPY)

    @property
    def summary(self) -> dict[str, Any]:
        """What a list of versions shows."""
        week = figures(self.week)
        published = week.get("published", {})
        return {
            **self.counts,
            "week": {
                "labels": week["labels"],
                **{name: published.get(name) for name in SUMMARY_SCORES},
                "same_as_now": week.get("same_as_now", {}).get("accuracy"),
            },
        }


def take(forecaster: Forecaster, *, start: int, made: int) -> Version:
    """Return the models as they are now."""
    order = forecaster.index.sorted_slots()
    key = forecaster.keys[order]
    deviations = parts.deviations_state(forecaster.deviations)
    for name in COLUMNS:
        deviations[name] = deviations[name][order]
    state = {
        "v": FORMAT,
        "features": features.FINGERPRINT,
        "rules": asdict(forecaster.rules),
        "champion": forecaster.champion,
        "centre": forecaster.centre,
        "line": key >> 32,
        "transformer": key & 0xFFFFFFFF,
        "deviations": deviations,
        "level": parts.level_state(forecaster.level),
        "calibrator": parts.calibrator_state(forecaster.calibrator),
        "challenger": parts.river_state(forecaster.challenger.model),
        "baselines": parts.baselines_state(forecaster.baselines),
    }
    return Version(
        number=start,
        made=made,
        parts={name: _copied(part) for name, part in state.items()},
        counts={
            "champion": forecaster.champion,
            "transformers": forecaster.transformers,
            "labels": forecaster.scores.scored,
            "windows": forecaster.level.learnt,
        },
        week=forecaster.scores.week,
    )


def _copied(part: Any) -> Any:
    """Return a part that does not change with the models."""
    if isinstance(part, dict):
        return {name: _copied(value) for name, value in part.items()}
    return part.copy() if isinstance(part, list | np.ndarray) else part


def check(state: State, rules: Rules) -> None:
    """Make sure that a version could be gone back to.

    Raises:
        RejectedState: It is malformed, or was made for other windows, another lead or
            threshold, or from other features; names what does not match.
    """
    restore(Forecaster(rules), state)


def restore(forecaster: Forecaster, state: State) -> None:
    """Let a forecaster go back to a version; what is refused changes nothing.

    Raises:
        RejectedState: As `check`.
    """
    if read(state, "v") != FORMAT:
        raise RejectedState(f"models: format {state['v']!r} is not known")
    if read(state, "features") != features.FINGERPRINT:
        raise RejectedState(
            "models: made from other features than this build's"
            f" ({state['features']}, not {features.FINGERPRINT})"
        )
    was, now = rules_in(state), forecaster.rules
    for name in ("size", "lead", "threshold"):
        if getattr(was, name) != getattr(now, name):
            raise RejectedState(
                f"models: made for a {name} of {getattr(was, name):g},"
                f" and it is {getattr(now, name):g} now"
            )
    fresh = Forecaster(now)
    parts.read_level(read(state, "level"), fresh.level)
    parts.read_calibrator(read(state, "calibrator"), fresh.calibrator)
    parts.read_river(
        read(state, "challenger"), fresh.challenger.model, features.CHALLENGER_NAMES
    )
    parts.read_baselines(read(state, "baselines"), fresh.baselines)
    line = column(state, "line", np.int64)
    key = (line << 32) | column(state, "transformer", np.int64, len(line))
    parts.read_deviations(read(state, "deviations"), fresh.deviations, len(key))
    champion = model_of(state)
    centre = None if read(state, "centre") is None else number(state, "centre")
    forecaster.champion = champion
    forecaster.centre = forecaster.centre if centre is None else centre
    for name in ("level", "calibrator", "challenger", "baselines"):
        setattr(forecaster, name, getattr(fresh, name))
    _restore_habits(forecaster, key, fresh.deviations)


def _restore_habits(forecaster: Forecaster, key: Any, deviations: Deviations) -> None:
    """Give the transformers that the version knows the habits that they had then."""
    slots = forecaster.index.find(key)
    known = slots >= 0
    mine = forecaster.deviations
    for name in ("habit", "noise", "seen", "taught"):
        getattr(mine, name)[slots[known]] = getattr(deviations, name)[known]
    mine.take_products(deviations.products)
