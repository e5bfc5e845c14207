"""A forecaster as JSON values, and back: nothing is unpickled, nothing is believed.

Columns are NumPy arrays, for orjson to write; a column of single precision is read
back to the bit. Whatever is missing, of another length, not finite or of another
version is refused with a line that names it, and nothing is half restored.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import RejectedState
from app.predictor import features
from app.predictor.baselines import WEEK_HOURS, Baselines
from app.predictor.classifiers import Calibrator
from app.predictor.deviations import COLUMNS, Deviations
from app.predictor.drift import KEPT_MAX, NAMES, Watch, Watches
from app.predictor.level import LevelRegression
from app.predictor.scores import Scores
from app.predictor.tally import SIZE, Tally, grains

__all__ = ["State", "column", "number", "read"]

State = Mapping[str, Any]
UPPER = np.triu_indices(features.SIZE)
BOUND = 1e15  # larger numbers are no volts, counts or times


def read(state: State, name: str) -> Any:
    """Return a value by its name."""
    if not isinstance(state, Mapping) or name not in state:
        raise RejectedState(f"models: {name} is missing")
    return state[name]


def column(
    state: State, name: str, dtype: Any = np.float64, length: int | None = None
) -> NDArray[Any]:
    """Return a flat column of finite numbers, of a length if one is due."""
    try:
        exact = np.array(read(state, name), dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise RejectedState(f"models: {name} is no column: {error}") from None
    if exact.ndim != 1 or (length is not None and len(exact) != length):
        raise RejectedState(f"models: {name} has shape {exact.shape}, not {length}")
    if not ((exact > -BOUND) & (exact < BOUND)).all():
        raise RejectedState(f"models: {name} holds what is not finite")
    return exact


def number(state: State, name: str) -> float:
    """Return a finite number."""
    value = read(state, name)
    if type(value) not in (int, float) or not abs(value) < BOUND:
        raise RejectedState(f"models: {name} is no finite number")
    return float(value)


def whole(state: State, name: str, least: float = -BOUND) -> int:
    """Return an integer, not below the least one."""
    value = number(state, name)
    if not value.is_integer() or value < least:
        raise RejectedState(f"models: {name} is no integer from {least:g} on")
    return int(value)


# Parts ------------------------------------------------------------------------------


def level_state(level: LevelRegression) -> dict[str, Any]:
    """Return a level regression; of its symmetrical covariance the upper half."""
    return {
        "weights": level.weights,
        "covariance": level.covariance[UPPER],
        "noise": level.noise,
        "learnt": level.learnt,
        "far": level.far,
        "calm": level.calm,
    }


def read_level(state: State, level: LevelRegression) -> None:
    """Restore a level regression."""
    level.weights = column(state, "weights", length=features.SIZE)
    upper = column(state, "covariance", length=len(UPPER[0]))
    level.covariance[UPPER] = upper
    level.covariance.T[UPPER] = upper
    level.noise = number(state, "noise")
    level.learnt = whole(state, "learnt", 0)
    level.far = whole(state, "far", 0)
    level.calm = number(state, "calm")
    if min(level.noise, level.calm) <= 0 or (level.covariance.diagonal() < 0).any():
        raise RejectedState("models: a variance is not positive")


def calibrator_state(calibrator: Calibrator) -> dict[str, Any]:
    """Return the calibrator, as a regression of river's on the margin alone."""
    return {
        "weights": {"margin": calibrator.steepness},
        "squares": {"margin": calibrator.squares},
        "iterations": calibrator.learnt,
        "intercept": 0.0,
    }


def read_calibrator(state: State, calibrator: Calibrator) -> None:
    """Restore the calibrator."""
    calibrator.steepness = number(read(state, "weights"), "margin")
    squares = read(state, "squares")  # of a younger build none, if it has not learnt
    calibrator.squares = number(squares, "margin") if squares else 0.0
    calibrator.learnt = whole(state, "iterations", 0)
    if calibrator.squares < 0:
        raise RejectedState("models: a sum of squares is below zero")


def river_state(model: Any) -> dict[str, Any]:
    """Return one of river's logistic regressions with AdaGrad."""
    return {
        "weights": model.weights,
        "squares": dict(model.optimizer.g2),
        "iterations": model.optimizer.n_iterations,
        "intercept": model.intercept,
    }


def read_river(state: State, model: Any, known: Iterable[str]) -> None:
    """Restore a fresh regression of river's; features must be known ones."""
    known = set(known)
    for name, place in (
        ("weights", model._weights),  # noqa: SLF001 - river has no public way in
        ("squares", model.optimizer.g2),
    ):
        values = read(state, name)
        if not isinstance(values, Mapping) or not known.issuperset(values):
            raise RejectedState(f"models: {name} are not of known features")
        for feature in values:
            place[feature] = number(values, feature)
    if min(model.optimizer.g2.values(), default=0.0) < 0:
        raise RejectedState("models: a sum of squares is below zero")
    model.optimizer.n_iterations = whole(state, "iterations", 0)
    model.intercept = number(state, "intercept")


def deviations_state(deviations: Deviations) -> dict[str, Any]:
    """Return the columns of all transformers, and what deviations foretell."""
    columns = {name: getattr(deviations, name) for name in COLUMNS}
    return {**columns, "products": deviations.products.ravel()}


def read_deviations(state: State, deviations: Deviations, count: int) -> None:
    """Restore the columns of a number of transformers."""
    for name in COLUMNS:
        setattr(deviations, name, column(state, name, length=count))
    if (deviations.noise <= 0).any():
        raise RejectedState("models: a noise is not positive")
    if (deviations.seen < 0).any() or (deviations.taught < 0).any():
        raise RejectedState("models: a count is below zero")
    deviations.take_products(column(state, "products", length=9).reshape(3, 3))


COUNTS = {
    "hours_over": WEEK_HOURS,
    "hours_all": WEEK_HOURS,
    "follows_over": 2,
    "follows_all": 2,
}


def baselines_state(baselines: Baselines) -> dict[str, Any]:
    """Return the counts of the baselines."""
    return {name: getattr(baselines, name) for name in COUNTS}


def read_baselines(state: State, baselines: Baselines) -> None:
    """Restore the counts of the baselines."""
    for name, length in COUNTS.items():
        counts = column(state, name, np.int64, length)
        if (counts < 0).any():
            raise RejectedState(f"models: {name} counts below zero")
        setattr(baselines, name, counts.tolist())


def scores_state(scores: Scores) -> dict[str, Any]:
    """Return the tallies; of their many zeros nothing."""
    return {
        "made": scores.made,
        "past": _sparse(scores.past),
        "days": {str(day): _sparse(tally) for day, tally in scores.days.items()},
    }


def read_scores(state: State, scores: Scores) -> None:
    """Restore the tallies."""
    scores.made = whole(state, "made", 0)
    scores.past = _tally(read(state, "past"))
    days = read(state, "days")
    if not isinstance(days, Mapping):
        raise RejectedState("models: days are no mapping")
    for day, tally in days.items():
        if not day.isdecimal():
            raise RejectedState("models: a day is no number")
        scores.days[int(day)] = _tally(tally)


def _sparse(tally: Tally) -> dict[str, Any]:
    places = np.flatnonzero(tally.vector)
    return {"places": places, "values": tally.vector[places]}


def _tally(state: State) -> Tally:
    places = column(state, "places", np.int64)
    if ((places < 0) | (places >= SIZE)).any():
        raise RejectedState("models: a tally counts what is not known")
    tally = Tally()
    # Whole grains, which earlier builds did not count by.
    tally.vector[places] = grains(column(state, "values", length=len(places)))
    return tally


def watches_state(watches: Watches) -> dict[str, Any]:
    """Return what the watches were fed, and the temperatures of the last day."""
    return {
        "since": watches.since,
        "risen": watches.risen,
        "series": {name: watch.kept for name, watch in watches.series.items()},
        "target": list(watches.celsius),
        "celsius": list(watches.celsius.values()),
    }


def read_watches(state: State, watches: Watches) -> None:
    """Restore watches by feeding them again."""
    since = read(state, "since")
    watches.since = None if since is None else whole(state, "since")
    for name in NAMES:
        kept = column(read(state, "series"), name)
        if len(kept) > KEPT_MAX or (kept < 0).any() or (kept > 1).any():
            raise RejectedState(f"models: {name} watched what is no share")
        watches.series[name] = Watch(kept.tolist())
    risen = read(state, "risen")
    if not isinstance(risen, list) or not all(name in NAMES for name in risen):
        raise RejectedState("models: what has risen is not known")
    watches.risen = risen
    target = column(state, "target", np.int64).tolist()
    celsius = column(state, "celsius", length=len(target)).tolist()
    watches.celsius = dict(zip(target, celsius, strict=True))
