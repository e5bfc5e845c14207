"""What is foreseen: per transformer over the horizon, and how right it was so far."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.predictor.online import Forecaster
from app.predictor.past import Said, said_of
from app.predictor.pending import Pending
from app.predictor.scores import figures
from app.predictor.tally import ROWS, SIZE, Tally

__all__ = [
    "COLUMNS",
    "Outlook",
    "foreseen",
    "look_ahead",
    "merge_outlooks",
    "one_transformer",
    "score_tables",
    "waiting",
]

Row = dict[str, Any]
COLUMNS = {
    "line": np.int64,
    "transformer": np.int64,
    "probability": np.float64,
    "window_start_epoch_seconds": np.int64,
    "foretold_maximum_volts": np.float64,
    "alerts_count": np.int64,
    "predictions_count": np.int64,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Transformers, the likeliest to pass the threshold first, as columns (COLUMNS).

    probability is the largest over the horizon, window_start the window that it is
    for, and foretold_maximum_volts that window's; transformers is how many there
    were to choose from, alerts how many of them have an alert.
    """

    columns: Mapping[str, NDArray[Any]]
    transformers: int
    alerts: int


def waiting(forecaster: Forecaster) -> list[tuple[int, Pending]]:
    """Return what is foreseen and has not come yet, by window start."""
    return [
        (target, pending)
        for target in sorted(forecaster.pending)
        for pending in forecaster.pending[target]
    ]


def foreseen(forecaster: Forecaster) -> list[tuple[int, Said]]:
    """Return what is said of what has not come yet, by window start."""
    return [(target, said_of(pending)) for target, pending in waiting(forecaster)]


def look_ahead(
    pending: list[tuple[int, Pending]], alert_probability: float, limit: int
) -> Outlook:
    """Return the transformers that are likeliest to pass the threshold."""
    if not pending:
        return _nothing()
    key = np.concatenate([each.key for _, each in pending])
    start = np.concatenate([np.full(len(each.key), t) for t, each in pending])
    probability = np.concatenate([each.published for _, each in pending])
    volts = np.concatenate([each.column("foretold") for _, each in pending])
    # Within a transformer the likeliest window comes last, the earliest of equals.
    order = np.lexsort((-start, volts, probability, key))
    first = np.flatnonzero(np.diff(key[order], prepend=-1))
    best = order[np.append(first[1:], len(order)) - 1]
    alert = probability[order] >= alert_probability
    alerts = np.add.reduceat(alert.astype(np.int64), first)
    columns = {
        "line": key[best] >> 32,
        "transformer": key[best] & 0xFFFFFFFF,
        "probability": probability[best],
        "window_start_epoch_seconds": start[best],
        "foretold_maximum_volts": volts[best],
        "alerts_count": alerts,
        "predictions_count": np.diff(first, append=len(order)),
    }
    return _first(columns, limit, len(first), int(np.count_nonzero(alerts)))


def merge_outlooks(parts: Iterable[Outlook], limit: int) -> Outlook:
    """Return the likeliest transformers of several outlooks."""
    parts = [_nothing(), *parts]
    columns = {
        name: np.concatenate([part.columns[name] for part in parts]) for name in COLUMNS
    }
    return _first(
        columns,
        limit,
        sum(part.transformers for part in parts),
        sum(part.alerts for part in parts),
    )


def one_transformer(
    windows: Iterable[tuple[int, Said]], key: int, alert_probability: float
) -> list[Row]:
    """Return what is foreseen for a transformer, or was, window by window."""
    found: list[Row] = []
    for start, each in windows:
        place = int(np.searchsorted(each.key, key))
        if place < len(each.key) and each.key[place] == key:
            probability = float(each.probability[place])
            found.append(
                {
                    "window_start_epoch_seconds": start,
                    "made_epoch_seconds": each.made,
                    "probability": probability,
                    "foretold_maximum_volts": float(each.foretold[place]),
                    "alert": probability >= alert_probability,
                }
            )
    return found


def score_tables(tallies: Iterable[NDArray[np.float64]]) -> dict[str, Any]:
    """Return every score of tallies added up, by whose predictions."""
    tally = Tally(np.sum([np.zeros(SIZE), *tallies], axis=0))
    found = figures(tally)
    return {
        "labels_count": found["labels"],
        "positives_share": found.get("positives"),
        "same_as_now": found.get("same_as_now"),
        "models": {name: found[name] for name in ROWS if name in found},
        "alerts": found.get("alerts"),
    }


def _nothing() -> Outlook:
    columns = {name: np.empty(0, dtype) for name, dtype in COLUMNS.items()}
    return Outlook(columns=columns, transformers=0, alerts=0)


def _first(
    columns: Mapping[str, NDArray[Any]], limit: int, transformers: int, alerts: int
) -> Outlook:
    order = np.lexsort(
        (
            columns["transformer"],
            columns["line"],
            -columns["foretold_maximum_volts"],
            -columns["probability"],
        )
    )[:limit]
    return Outlook(
        columns={name: columns[name][order] for name in COLUMNS},
        transformers=transformers,
        alerts=alerts,
    )
