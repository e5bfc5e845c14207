"""Which windows to show: chosen from big states without copying them."""

from collections.abc import Callable, Iterator
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
PARTS_LIMITS_MAX = 4  # rows held before they are cut, as a multiple of the limit
SORT_COLUMNS = (
    "window_start",
    "line",
    "transformer",
    "readings_count",
    "minimum_volts",
    "mean_volts",
    "maximum_volts",
    "maximum_usage_point",
    "readings_over_threshold",
    "state",
    "verdict",
)


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
    """The windows of one start, not copied, and how to find the slot of a key."""

    is_open: bool
    rows: WindowRows
    find: Callable[[NDArray[np.int64]], NDArray[Any]]


VALUES = tuple(name for name in COLUMNS if name not in {"start", "key"})


def select(state: LaneState, query: Query, profile: Profile) -> Selection:
    """Return the windows of a lane that come first in the order asked for."""
    parts: list[Selection] = [_nothing()]
    held = 0
    for block in blocks(state, query.state):
        slots = _matching(block, query)
        rows = block.rows if slots is None else block.rows.take(slots)
        if held >= query.limit and _is_beyond(block.rows.start[0], parts, query):
            parts.append(_nothing(len(rows)))
            continue
        is_open = np.broadcast_to(np.bool_(block.is_open), len(rows))
        best = _first(rows, is_open, query, profile)
        parts.append(
            Selection(rows=rows.take(best), is_open=is_open[best], matched=len(rows))
        )
        held += len(best)
        if held > PARTS_LIMITS_MAX * query.limit:
            parts = [merge(parts, query, profile)]
            held = len(parts[0].rows)
    return merge(parts, query, profile)


def merge(parts: list[Selection], query: Query, profile: Profile) -> Selection:
    """Return what comes first of several selections, in the order asked for."""
    rows = WindowRows.concatenate([part.rows for part in parts])
    is_open = np.concatenate([np.empty(0, np.bool_), *(part.is_open for part in parts)])
    order = _order(rows, is_open, query, profile)[: query.limit]
    return Selection(
        rows=rows.take(order),
        is_open=is_open[order],
        matched=sum(part.matched for part in parts),
    )


def _nothing(matched: int = 0) -> Selection:
    return Selection(
        rows=WindowRows.concatenate([]), is_open=np.empty(0, np.bool_), matched=matched
    )


def blocks(state: LaneState, wanted: State) -> Iterator[Block]:
    """Yield the windows of a lane by start: newest first, open ones before closed."""
    if wanted != "closed":
        for start in sorted(state.open, reverse=True):
            window = state.open[start]
            size = len(window.index)
            if size:
                rows = WindowRows(
                    start=np.broadcast_to(np.int64(start), size),
                    key=window.keys[:size],
                    **{name: window.columns[name][:size] for name in VALUES},
                )
                yield Block(is_open=True, rows=rows, find=window.index.find)
    if wanted != "open":
        for start in reversed(state.recent.starts):
            rows = state.recent.rows(start)
            yield Block(is_open=False, rows=rows, find=partial(_find, rows.key))


def _find(sorted_keys: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.intp]:
    place = np.searchsorted(sorted_keys, keys)
    place[place == len(sorted_keys)] = 0
    return np.where(sorted_keys[place] == keys, place, -1)


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


def _is_beyond(start: int, parts: list[Selection], query: Query) -> bool:
    """Tell whether a start is later in the order than all that is held already."""
    if query.sort != "window_start":
        return False
    held = [part.rows.start for part in parts if len(part.rows)]
    if query.descending:
        return all(start < starts.min() for starts in held)
    return all(start > starts.max() for starts in held)


def _first(
    rows: WindowRows, is_open: NDArray[np.bool_], query: Query, profile: Profile
) -> NDArray[np.intp]:
    """Return which rows of one start can be among the first, in any order."""
    if len(rows) <= query.limit:
        return np.arange(len(rows))
    rank = _rank(rows, is_open, query, profile)
    last = np.partition(rank, query.limit - 1)[query.limit - 1]
    before = np.flatnonzero(rank < last)
    equal = np.flatnonzero(rank == last)
    room = query.limit - len(before)
    if room < len(equal):
        equal = equal[np.argpartition(rows.key[equal], room - 1)[:room]]
    return np.concatenate([before, equal])


def _order(
    rows: WindowRows, is_open: NDArray[np.bool_], query: Query, profile: Profile
) -> NDArray[np.intp]:
    return np.lexsort((rows.key, -rows.start, _rank(rows, is_open, query, profile)))


def _rank(
    rows: WindowRows, is_open: NDArray[np.bool_], query: Query, profile: Profile
) -> NDArray[Any]:
    rank: NDArray[Any]
    match query.sort:
        case "line":
            rank = rows.key
        case "transformer":
            rank = rows.transformer
        case "readings_count":
            rank = rows.count
        case "minimum_volts":
            rank = rows.minimum
        case "mean_volts":
            rank = rows.mean
        case "maximum_volts":
            rank = rows.maximum
        case "maximum_usage_point":
            rank = rows.usagepoint
        case "readings_over_threshold":
            rank = rows.over
        case "state":
            rank = is_open.astype(np.int8)
        case "verdict":
            rank = profile.codes(rows.minimum, rows.maximum, rows.mean)
        case _:
            rank = rows.start
    return -rank if query.descending else rank
