"""The transformers that stand out most, over the windows in memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.windows import MICROVOLTS, WindowRows
from app.views.selection import blocks
from tables.maxima import LaneState

__all__ = [
    "COLUMNS",
    "RANKINGS",
    "Ranked",
    "Ranking",
    "last_windows",
    "merge_ranked",
    "rank",
]

RANKINGS = ("maximum_volts", "minimum_volts", "readings_over_threshold")
COLUMNS = {
    "line": np.int64,
    "transformer": np.int64,
    "maximum_volts": np.float32,
    "maximum_usage_point": np.int32,
    "maximum_window_start_epoch_seconds": np.int64,
    "minimum_volts": np.float32,
    "mean_volts": np.float64,
    "readings_count": np.int64,
    "readings_over_threshold": np.int64,
    "windows_count": np.int64,
    "windows_over_threshold": np.int64,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """What makes a transformer stand out, over how many window starts, and how many."""

    by: str = "maximum_volts"
    windows: int = 8
    limit: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """Transformers in order, as columns (COLUMNS), and how many there were."""

    columns: Mapping[str, NDArray[Any]]
    transformers: int


def last_windows(state: LaneState, starts: int) -> WindowRows:
    """Return the windows of a lane's last starts, open ones included, copied."""
    kept = sorted({*state.open, *state.recent.starts})[-starts:]
    opened = [b.rows for b in blocks(state, "open") if int(b.rows.start[0]) in kept]
    closed = [state.recent.rows(s) for s in state.recent.starts if s in kept]
    return WindowRows.concatenate([*closed, *opened])


def rank(
    lanes: Sequence[WindowRows], ranking: Ranking, threshold_volts: float
) -> Ranked:
    """Return the transformers that stand out most among windows of some lanes."""
    rows = WindowRows.concatenate(lanes)
    if not len(rows):
        return _nothing()
    # Within a transformer the window of its maximum comes last.
    rows = rows.take(np.lexsort((rows.maximum, rows.key)))
    first = np.flatnonzero(np.diff(rows.key, prepend=-1))
    last = np.append(first[1:], len(rows)) - 1
    count = np.add.reduceat(rows.count, first)
    return _ranked(
        {
            "line": rows.line[last],
            "transformer": rows.transformer[last],
            "maximum_volts": rows.maximum[last],
            "maximum_usage_point": rows.usagepoint[last],
            "maximum_window_start_epoch_seconds": rows.start[last],
            "minimum_volts": np.minimum.reduceat(rows.minimum, first),
            "mean_volts": np.add.reduceat(rows.total, first) / count / MICROVOLTS,
            "readings_count": count,
            "readings_over_threshold": np.add.reduceat(rows.over, first),
            "windows_count": np.diff(first, append=len(rows)),
            "windows_over_threshold": np.add.reduceat(
                (rows.maximum > threshold_volts).astype(np.int64), first
            ),
        },
        ranking,
        len(first),
    )


def merge_ranked(parts: Iterable[Ranked], ranking: Ranking) -> Ranked:
    """Return what stands out most of several rankings."""
    parts = [_nothing(), *parts]
    columns = {
        name: np.concatenate([part.columns[name] for part in parts]) for name in COLUMNS
    }
    return _ranked(columns, ranking, sum(part.transformers for part in parts))


def _nothing() -> Ranked:
    columns = {name: np.empty(0, dtype) for name, dtype in COLUMNS.items()}
    return Ranked(columns=columns, transformers=0)


def _ranked(
    columns: Mapping[str, NDArray[Any]], ranking: Ranking, transformers: int
) -> Ranked:
    by = columns[ranking.by]
    by = by if ranking.by == "minimum_volts" else -by
    order = np.lexsort((columns["transformer"], columns["line"], by))[: ranking.limit]
    return Ranked(
        columns={name: columns[name][order] for name in COLUMNS},
        transformers=transformers,
    )
