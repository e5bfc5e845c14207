"""Which windows to show: chosen from big states without copying them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.domain.standards import Profile
from app.domain.windows import COLUMNS, WindowRows, pack_keys
from tables.maxima import LaneState

__all__ = ["SORT_COLUMNS", "Block", "Query", "Selection", "blocks", "merge", "select"]

State = Literal["open", "closed", "all"]
SORTED_BY = {
    "window_start": "start",
    "line": "key",
    "transformer": "transformer",
    "readings_count": "count",
    "minimum_volts": "minimum",
    "mean_volts": "mean",
    "maximum_volts": "maximum",
    "maximum_usage_point": "usagepoint",
    "readings_over_threshold": "over",
}
SORT_COLUMNS = (*SORTED_BY, "state", "verdict")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Windows asked for, and in which order: at most limit of them."""

    state: State = "all"
    line: int | None = None
    transformer: int | None = None
    sort: str = "window_start"
    descending: bool = True
    limit: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Windows chosen, whether each is open, and how many there were to choose from."""

    rows: WindowRows
    is_open: NDArray[np.bool_]
    matched: int


class Block(NamedTuple):
    """Windows that are all open or all closed, not copied; find gives rows by keys."""

    is_open: bool
    rows: WindowRows
    find: Callable[[NDArray[np.int64]], NDArray[Any]]


COPIED_ROWS_MAX = 1_000
"""To copy so many and to sort them with the rest costs less than to choose first."""
VALUES = tuple(name for name in COLUMNS if name not in {"start", "key"})


def select(state: LaneState, query: Query, profile: Profile) -> list[Selection]:
    """Return windows of a lane among which are those that come first.

    They may be views of its state, which is about to change: `merge` copies them.
    """
    parts: list[Selection] = []
    for block in blocks(state, query.state):
        matching = _matching(block, query)
        rows = block.rows if matching is None else block.rows.take(matching)
        matched = len(rows)
        is_open = np.full(matched, block.is_open)
        if matched > max(query.limit, COPIED_ROWS_MAX):
            first = _first(_ranks(rows, is_open, query, profile), query.limit)
            rows, is_open = rows.take(first), is_open[first]
        parts.append(Selection(rows=rows, is_open=is_open, matched=matched))
    return parts


def merge(parts: Sequence[Selection], query: Query, profile: Profile) -> Selection:
    """Return what comes first of several selections, in the order asked for."""
    rows = WindowRows.concatenate([part.rows for part in parts])
    is_open = np.concatenate([np.empty(0, np.bool_), *(part.is_open for part in parts)])
    ranks = _ranks(rows, is_open, query, profile)
    first = _first(ranks, min(query.limit, len(rows)))
    # The first key of lexsort is the last that counts.
    order = first[np.lexsort([rank[first] for rank in ranks[::-1]])]
    return Selection(
        rows=rows.take(order),
        is_open=is_open[order],
        matched=sum(part.matched for part in parts),
    )


def blocks(state: LaneState, wanted: State) -> Iterator[Block]:
    """Yield the windows of a lane: open ones by start, and all closed ones together."""
    if wanted != "closed":
        for start, window in state.open.items():
            size = len(window.index)
            if size:
                rows = WindowRows(
                    start=np.full(size, start),
                    key=window.keys[:size],
                    **{name: window.columns[name][:size] for name in VALUES},
                )
                yield Block(is_open=True, rows=rows, find=window.index.find)
    if wanted != "open" and len(state.recent):
        rows = state.recent.everything
        yield Block(is_open=False, rows=rows, find=partial(_all_of, rows.key))


def _all_of(known: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.intp]:
    return np.flatnonzero(known == keys[0])


def _matching(block: Block, query: Query) -> NDArray[Any] | None:
    """Return which rows of a block match; None: all of them."""
    key = block.rows.key
    if query.line is not None and query.transformer is not None:
        pair = np.array([query.line]), np.array([query.transformer])
        slots = block.find(pack_keys(*pair))
        return slots[slots >= 0]
    if query.line is not None:
        return np.flatnonzero(key >> 32 == query.line)
    if query.transformer is not None:
        return np.flatnonzero(key & 0xFFFFFFFF == query.transformer)
    return None


def _first(ranks: list[NDArray[Any]], limit: int) -> NDArray[np.intp]:
    """Return which rows come first, in any order; a rank counts where those before tie.

    Much cheaper than to sort all of them.
    """
    rows = np.arange(len(ranks[0]))
    if len(rows) <= limit:
        return rows
    chosen: list[NDArray[np.intp]] = []
    room = limit
    for rank in ranks:
        values = rank[rows]
        last = np.partition(values, room - 1)[room - 1]
        before = rows[values < last]
        chosen.append(before)
        rows = rows[values == last]
        room -= len(before)
        if len(rows) <= room:
            break
    return np.concatenate([*chosen, rows[:room]])


def _ranks(
    rows: WindowRows, is_open: NDArray[np.bool_], query: Query, profile: Profile
) -> list[NDArray[Any]]:
    """Return what rows are ordered by: what was asked for, newest start, key."""
    return [_rank(rows, is_open, query, profile), -rows.start, rows.key]


def _rank(
    rows: WindowRows, is_open: NDArray[np.bool_], query: Query, profile: Profile
) -> NDArray[Any]:
    rank: NDArray[Any]
    if query.sort == "state":
        rank = is_open.astype(np.int8)
    elif query.sort == "verdict":
        rank = profile.codes(rows.minimum, rows.maximum, rows.mean)
    else:
        rank = getattr(rows, SORTED_BY[query.sort])
    return -rank if query.descending else rank
