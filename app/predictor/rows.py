"""Rows of a state, window by window: cut into parts of bounded size, and joined."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import RejectedState
from app.predictor.state import State, column, read

__all__ = ["Columns", "cut", "joined", "numbers", "rows_of", "split"]

ROWS_MAX = 20_000  # in one part: about 2 MB as JSON, below the journal's 4 MiB

Columns = dict[str, NDArray[Any]]


def numbers(lengths: list[int]) -> NDArray[np.int64]:
    """Return the number of the window of each row, by the windows' lengths."""
    return np.repeat(np.arange(len(lengths)), lengths)


def joined(columns: list[NDArray[Any]]) -> NDArray[np.float32]:
    """Return columns end to end, in single precision."""
    return np.concatenate([np.empty(0), *columns]).astype(np.float32)


def cut(kind: str, columns: Columns) -> Iterator[dict[str, Any]]:
    """Yield rows of a kind in parts of bounded size."""
    for begin in range(0, len(columns["of"]), ROWS_MAX):
        part = slice(begin, begin + ROWS_MAX)
        yield {"rows": kind, **{name: values[part] for name, values in columns.items()}}


def rows_of(
    kind: str, bodies: list[State], names: tuple[str, ...], transformers: int
) -> Columns:
    """Return all rows of a kind that parts hold.

    number and of (the place of its transformer) are int64, the others float32.

    Raises:
        RejectedState: They are malformed; names what is wrong.
    """
    mine = [body for body in bodies[1:] if read(body, "rows") == kind]
    columns: Columns = {}
    for name in ("number", "of", *names):
        dtype = np.int64 if name in {"number", "of"} else np.float32
        found = [column(body, name, dtype) for body in mine]
        columns[name] = np.concatenate([np.empty(0, dtype), *found])
    if len({len(values) for values in columns.values()}) > 1:
        raise RejectedState(f"models: columns of {kind} have different lengths")
    if ((columns["of"] < 0) | (columns["of"] >= transformers)).any():
        raise RejectedState(f"models: {kind} names a transformer that is not there")
    return columns


def split(rows: Columns, count: int) -> Iterator[Columns]:
    """Yield the rows of each window, count of them.

    Raises:
        RejectedState: They are not in order.
    """
    number = rows["number"]
    if (np.diff(number) < 0).any() or not ((number >= 0) & (number < count)).all():
        raise RejectedState("models: rows are not in order")
    edges = np.searchsorted(number, np.arange(count + 1))
    for begin, end in itertools.pairwise(edges):
        yield {name: values[begin:end] for name, values in rows.items()}
