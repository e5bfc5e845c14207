"""A whole forecaster as JSON values, in parts of bounded size, and back."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import RejectedState
from app.predictor import features
from app.predictor import state as parts
from app.predictor.deviations import COLUMNS as TRANSFORMER_COLUMNS
from app.predictor.features import Chosen, Features
from app.predictor.memory import Levels
from app.predictor.online import Forecaster, Rules
from app.predictor.pending import COLUMNS, MODELS, Pending
from app.predictor.rows import Columns, cut, joined, numbers, rows_of, split
from app.predictor.state import State, column, number, read, whole

__all__ = ["VERSION", "dump", "load", "model_of", "rules_in"]

VERSION = 1
FIRST_FEATURES = "dc31cff5c63e"  # of the states that name none

LEVELS = ("maximum", "mean", "minimum")


def dump(forecaster: Forecaster) -> Iterator[dict[str, Any]]:
    """Yield a forecaster's parts: the models first, then rows by the many."""
    order = forecaster.index.sorted_slots()
    key = forecaster.keys[order]
    deviations = parts.deviations_state(forecaster.deviations)
    for name in TRANSFORMER_COLUMNS:
        deviations[name] = deviations[name][order]
    memory = forecaster.memory
    yield {
        "v": VERSION,
        "features": features.FINGERPRINT,
        "rules": asdict(forecaster.rules),
        "champion": forecaster.champion,
        "centre": forecaster.centre,
        "line": key >> 32,
        "transformer": key & 0xFFFFFFFF,
        "last": forecaster.last[order],
        "deviations": deviations,
        "level": parts.level_state(forecaster.level),
        "calibrator": parts.calibrator_state(forecaster.calibrator),
        "challenger": parts.river_state(forecaster.challenger.model),
        "baselines": parts.baselines_state(forecaster.baselines),
        "scores": parts.scores_state(forecaster.scores),
        "watches": parts.watches_state(forecaster.watches),
        "levels": {
            "start": list(memory.levels),
            **{
                name: [getattr(seen, name) for seen in memory.levels.values()]
                for name in LEVELS
            },
        },
        "deviated": list(memory.deviations),
        "pending": [
            _head(target, each)
            for target, waiting in forecaster.pending.items()
            for each in waiting
        ],
    }
    yield from cut("deviated", _deviated(forecaster, order))
    yield from cut("pending", _waiting(forecaster, key))


def load(bodies: list[State], rules: Rules) -> Forecaster:
    """Return the forecaster that parts describe.

    Where the windows or the lead were others, nothing of it is of use, and it is new;
    where only the threshold was, the regression is kept, and the labels are not. Where
    the features were others, as after an upgrade, the models begin anew and what they
    do not rest on is kept: habits, baselines, scores. `renewed` then says why.

    Raises:
        RejectedState: The parts are malformed; names what is wrong.
    """
    if not bodies:
        raise RejectedState("models: nothing to restore")
    first = bodies[0]
    if read(first, "v") != VERSION:
        raise RejectedState(f"models: version {first['v']!r} is not known")
    was = rules_in(first)
    forecaster = Forecaster(rules)
    if (was.size, was.lead) != (rules.size, rules.lead):
        forecaster.renewed = "the windows or the lead were others"
        return forecaster
    known_by = first.get("features", FIRST_FEATURES)
    if not isinstance(known_by, str):
        raise RejectedState("models: features have no name")
    is_same = known_by == features.FINGERPRINT
    if not is_same:
        forecaster.renewed = f"the features were others ({known_by})"
    _load_lane(first, forecaster)
    _load_deviated(first, bodies, forecaster)
    if is_same:
        parts.read_level(read(first, "level"), forecaster.level)
        parts.read_calibrator(read(first, "calibrator"), forecaster.calibrator)
    if was.threshold != rules.threshold:
        forecaster.renewed = forecaster.renewed or "the threshold was another"
        return forecaster
    parts.read_baselines(read(first, "baselines"), forecaster.baselines)
    parts.read_scores(read(first, "scores"), forecaster.scores)
    if is_same:
        _load_labels(first, forecaster)
        _load_pending(first, bodies, forecaster)
    return forecaster


def rules_in(state: State) -> Rules:
    """Return the rules that a state was made by."""
    said = read(state, "rules")
    return Rules(
        size=whole(said, "size", 1),
        lead=whole(said, "lead", 1),
        threshold=number(said, "threshold"),
        alert_probability=number(said, "alert_probability"),
    )


def _load_lane(first: State, forecaster: Forecaster) -> None:
    centre = read(first, "centre")
    forecaster.centre = None if centre is None else number(first, "centre")
    line = column(first, "line", np.int64)
    transformer = column(first, "transformer", np.int64, len(line))
    key = (line << 32) | transformer
    if (np.diff(key) <= 0).any():
        raise RejectedState("models: transformers are not in order")
    forecaster.index.slots(key)
    forecaster.keys = key
    forecaster.last = column(first, "last", np.int64, len(key))
    forecaster.newest = int(forecaster.last.max(initial=forecaster.newest))
    parts.read_deviations(read(first, "deviations"), forecaster.deviations, len(key))
    levels = read(first, "levels")
    starts = column(levels, "start", np.int64)
    volts = [column(levels, name, length=len(starts)) for name in LEVELS]
    forecaster.memory.levels = {
        int(start): Levels(*map(float, seen))
        for start, *seen in zip(starts, *volts, strict=True)
    }


def _load_labels(first: State, forecaster: Forecaster) -> None:
    forecaster.champion = model_of(first)
    challenger = forecaster.challenger.model
    known = features.CHALLENGER_NAMES
    parts.read_river(read(first, "challenger"), challenger, known)
    parts.read_watches(read(first, "watches"), forecaster.watches)


def model_of(state: State) -> str:
    """Return the champion that a state names."""
    name = read(state, "champion")
    if name not in MODELS:
        raise RejectedState(f"models: no model is called {name!r}")
    return str(name)


# Rows ------------------------------------------------------------------------------


def _deviated(forecaster: Forecaster, order: NDArray[np.int64]) -> Columns:
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    windows = list(forecaster.memory.deviations.values())
    return {
        "number": numbers([len(slots) for slots, _ in windows]),
        "of": np.concatenate([order[:0], *(rank[slots] for slots, _ in windows)]),
        "volts": joined([volts for _, volts in windows]),
    }


def _load_deviated(first: State, bodies: list[State], forecaster: Forecaster) -> None:
    starts = column(first, "deviated", np.int64)
    rows = rows_of("deviated", bodies, ("volts",), forecaster.transformers)
    forecaster.memory.deviations = {
        int(start): (part["of"], part["volts"].astype(np.float64))
        for start, part in zip(starts, split(rows, len(starts)), strict=True)
    }


def _head(target: int, waiting: Pending) -> dict[str, Any]:
    return {
        "target": target,
        "made": waiting.made,
        "champion": waiting.champion,
        "doubt": waiting.doubt,
        "climatology": waiting.climatology,
        "persistence": waiting.persistence,
        "places": waiting.x.places,
        "values": waiting.x.values,
    }


def _waiting(forecaster: Forecaster, key: NDArray[np.int64]) -> Columns:
    every = [each for waiting in forecaster.pending.values() for each in waiting]
    columns: Columns = {
        "number": numbers([len(each.key) for each in every]),
        "of": np.concatenate(
            [key[:0], *(np.searchsorted(key, each.key) for each in every)]
        ),
    }
    for name in COLUMNS:
        columns[name] = joined([each.column(name) for each in every])
    return columns


def _load_pending(first: State, bodies: list[State], forecaster: Forecaster) -> None:
    heads = read(first, "pending")
    if not isinstance(heads, list):
        raise RejectedState("models: pending is no list")
    rows = rows_of("pending", bodies, COLUMNS, forecaster.transformers)
    for head, part in zip(heads, split(rows, len(heads)), strict=True):
        places = column(head, "places", np.int64).tolist()
        values = column(head, "values", length=len(places)).tolist()
        if not set(places) <= set(range(features.SIZE)):
            raise RejectedState("models: pending features are not known")
        try:
            chosen = Chosen(places)
        except ValueError as error:
            raise RejectedState(f"models: pending features: {error}") from None
        not_over, over = column(head, "persistence", length=2).tolist()
        waiting = Pending(
            x=Features(chosen, values),
            champion=model_of(head),
            made=whole(head, "made"),
            doubt=number(head, "doubt"),
            climatology=number(head, "climatology"),
            persistence=(not_over, over),
            key=forecaster.keys[part["of"]],
            columns=np.stack([part[name] for name in COLUMNS]),
        )
        forecaster.pending.setdefault(whole(head, "target"), []).append(waiting)
