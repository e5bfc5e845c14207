"""Exact tumbling windows in event time, as columns: add, close.

A lane's state changes in one way only: `folding.fold` turns frames into a delta
without touching the state, and `apply` adds a delta and returns what it closes.
The live path and the recovery both go through `apply`, so that they cannot disagree.

Everything added up is an integer (a voltage counts in microvolts), so that the result
does not depend on how the readings were cut into frames and groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.columns import KeyIndex

__all__ = [
    "COLUMNS",
    "MICROVOLTS",
    "NO_TIME",
    "Delta",
    "LaneWindows",
    "Rules",
    "WindowRows",
    "pack_keys",
]

MICROVOLTS = 1e6
CAPACITY_MIN = 64
NO_TIME = -(2**60)
"""A watermark before every time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How readings become windows: size, grace (seconds) and threshold (volts)."""

    size: int
    grace: int
    threshold: float

    def closed_to(self, watermark: int) -> int:
        """Return the end of the last window that a watermark closes.

        >>> Rules(size=900, grace=60, threshold=116.0).closed_to(1860)
        1800
        """
        passed = watermark - self.grace
        return passed - passed % self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRows:
    """Windows as columns of one length, sorted by start and key.

    start (epoch seconds), key (see pack_keys), count, total (microvolts) and over
    (readings above the threshold) are int64; minimum and maximum float32 volts;
    usagepoint int32, of the maximum, the lowest one where several share it.
    """

    start: NDArray[np.int64]
    key: NDArray[np.int64]
    count: NDArray[np.int64]
    minimum: NDArray[np.float32]
    maximum: NDArray[np.float32]
    total: NDArray[np.int64]
    usagepoint: NDArray[np.int32]
    over: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)

    @property
    def line(self) -> NDArray[np.int64]:
        """The line of each row."""
        return self.key >> 32

    @property
    def transformer(self) -> NDArray[np.int64]:
        """The transformer of each row."""
        return self.key & 0xFFFFFFFF

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mean of each row, volts."""
        mean: NDArray[np.float64] = self.total / self.count / MICROVOLTS
        return mean

    def maximum_by_start(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the distinct starts and the maximum of all rows of each."""
        if not len(self):
            return self.start, self.maximum
        starts, first = np.unique(self.start, return_index=True)
        return starts, np.maximum.reduceat(self.maximum, first)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> "WindowRows":
        """Return some of the rows."""
        return WindowRows(**{name: getattr(self, name)[rows] for name in COLUMNS})

    @staticmethod
    def concatenate(parts: Sequence["WindowRows"]) -> "WindowRows":
        """Return the rows of all parts, in their order."""
        return WindowRows(
            **{
                name: np.concatenate(
                    [np.empty(0, dtype), *(getattr(part, name) for part in parts)]
                )
                for name, dtype in COLUMNS.items()
            }
        )


COLUMNS = {
    "start": np.int64,
    "key": np.int64,
    "count": np.int64,
    "minimum": np.float32,
    "maximum": np.float32,
    "total": np.int64,
    "usagepoint": np.int32,
    "over": np.int64,
}
VALUE_COLUMNS = {k: v for k, v in COLUMNS.items() if k not in {"start", "key"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What a group of frames adds to a lane's state, and where it leaves it."""

    sequence: int
    watermark: int
    counted: int
    late: int
    rows: WindowRows


def pack_keys(
    line: NDArray[np.int32], transformer: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Return one int64 a row that sorts by line, then transformer."""
    return (line.astype(np.int64) << 32) | transformer


class LaneWindows:
    """The open windows of one lane, and the stream sequence and watermark in them.

    counted and late are readings, closed is windows, all since the lane began.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.sequence = 0
        self.watermark = NO_TIME
        self.counted = 0
        self.late = 0
        self.closed = 0
        self.open: dict[int, _Window] = {}

    @property
    def closed_to(self) -> int:
        """End of the last window that is closed; readings before it are late."""
        return self.rules.closed_to(self.watermark)

    def apply(self, delta: Delta) -> WindowRows:
        """Add a delta; return the windows that it closes, in order."""
        rows = delta.rows
        bounds = np.flatnonzero(np.diff(rows.start, prepend=NO_TIME, append=-NO_TIME))
        for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            window = self.open.setdefault(int(rows.start[begin]), _Window())
            window.merge(rows.take(slice(begin, end)))
        self.sequence = delta.sequence
        self.watermark = delta.watermark
        self.counted += delta.counted
        self.late += delta.late
        due = sorted(start for start in self.open if start < self.closed_to)
        closed = WindowRows.concatenate([self.open.pop(s).rows(s) for s in due])
        self.closed += len(closed)
        return closed

    def rows(self) -> WindowRows:
        """Return all open windows."""
        return WindowRows.concatenate(
            [self.open[start].rows(start) for start in sorted(self.open)]
        )


@dataclass(slots=True)
class _Window:
    """One window start: a slot for every transformer, columns by slot."""

    index: KeyIndex = field(default_factory=KeyIndex)
    keys: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    columns: dict[str, NDArray[Any]] = field(
        default_factory=lambda: {n: np.empty(0, t) for n, t in VALUE_COLUMNS.items()}
    )

    def merge(self, rows: WindowRows) -> None:
        known = len(self.index)
        slots = self.index.slots(rows.key)
        self._grow(len(self.index))
        fresh = slots >= known
        if fresh.any():
            at = slots[fresh]
            self.keys[at] = rows.key[fresh]
            for name, column in self.columns.items():
                column[at] = getattr(rows, name)[fresh]
            if fresh.all():
                return
            rows, slots = rows.take(~fresh), slots[~fresh]
        columns = self.columns
        for name in ("count", "total", "over"):
            columns[name][slots] += getattr(rows, name)
        columns["minimum"][slots] = np.minimum(columns["minimum"][slots], rows.minimum)
        maximum, usagepoint = columns["maximum"][slots], columns["usagepoint"][slots]
        columns["usagepoint"][slots] = np.where(
            rows.maximum > maximum,
            rows.usagepoint,
            np.where(
                rows.maximum < maximum,
                usagepoint,
                np.minimum(usagepoint, rows.usagepoint),
            ),
        )
        columns["maximum"][slots] = np.maximum(maximum, rows.maximum)

    def rows(self, start: int) -> WindowRows:
        slots = self.index.sorted_slots()
        return WindowRows(
            start=np.full(len(slots), start, np.int64),
            key=self.keys[slots],
            **{name: column[slots] for name, column in self.columns.items()},
        )

    def _grow(self, size: int) -> None:
        if size <= len(self.keys):
            return
        capacity = max(size, CAPACITY_MIN, 2 * len(self.keys))
        self.keys = np.resize(self.keys, capacity)
        self.columns = {n: np.resize(c, capacity) for n, c in self.columns.items()}
