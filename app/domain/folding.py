"""From frames to a delta: which readings are new, which are late, what they add up."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.domain.readings import Readings
from app.domain.windows import (
    MICROVOLTS,
    NO_TIME,
    Delta,
    LaneWindows,
    WindowRows,
    pack_keys,
)

__all__ = ["Fold", "Slice", "fold"]


class Slice(NamedTuple):
    """What the windows need of one frame."""

    last: int
    watermark: int
    readings: Readings

    @staticmethod
    def empty() -> "Slice":
        """Return a frame that adds nothing."""
        return Slice(0, NO_TIME, Readings.empty())


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """A delta, and the readings whose window had closed, with by how much (seconds)."""

    delta: Delta
    late: Readings
    late_by: NDArray[np.int64]


def fold(state: LaneWindows, frames: list[Slice]) -> Fold:
    """Return what frames, in their order, add to a state, which stays as it is.

    A frame's readings are judged by the watermark before it, and readings at or below
    the last stream sequence before it have been seen: the result is the same however
    the frames are grouped.
    """
    sizes = [len(frame.readings) for frame in frames]
    sequences = np.maximum.accumulate([state.sequence, *(f.last for f in frames)])
    watermarks = np.maximum.accumulate(
        [state.watermark, *(f.watermark for f in frames)]
    )
    everything = Readings.concatenate([frame.readings for frame in frames])
    size, grace = state.rules.size, state.rules.grace
    new = everything.sequence > np.repeat(sequences[:-1], sizes)
    start = everything.timestamp - everything.timestamp % size
    due = start + size + grace
    passed = np.repeat(watermarks[:-1], sizes)
    is_late = new & (due <= passed)
    on_time = new & ~is_late
    rows = _aggregate(everything, start, on_time, state.rules.threshold)
    late = np.flatnonzero(is_late)
    return Fold(
        delta=Delta(
            sequence=int(sequences[-1]),
            watermark=int(watermarks[-1]),
            counted=int(np.count_nonzero(on_time)),
            late=len(late),
            rows=rows,
        ),
        late=everything.take(late),
        late_by=(passed - due)[late],
    )


def _aggregate(
    readings: Readings,
    start: NDArray[np.int64],
    chosen: NDArray[np.bool_],
    threshold: float,
) -> WindowRows:
    key = pack_keys(readings.line, readings.transformer)[chosen]
    start = start[chosen]
    if not len(key):
        return WindowRows.concatenate([])
    one_start = bool((start == start[0]).all())
    order = np.argsort(key) if one_start else np.lexsort((key, start))
    key, start = key[order], start[order]
    voltage = readings.voltage[chosen][order]
    usagepoint = readings.usagepoint[chosen][order]
    edge = key[1:] != key[:-1]
    if not one_start:
        edge |= start[1:] != start[:-1]
    first = np.concatenate(([0], np.flatnonzero(edge) + 1))
    count = np.diff(first, append=len(key))
    maximum = np.maximum.reduceat(voltage, first)
    at_maximum = np.where(
        voltage == np.repeat(maximum, count), usagepoint, np.iinfo(np.int32).max
    )
    microvolts = np.rint(voltage.astype(np.float64) * MICROVOLTS).astype(np.int64)
    return WindowRows(
        start=start[first],
        key=key[first],
        count=count,
        minimum=np.minimum.reduceat(voltage, first),
        maximum=maximum,
        total=np.add.reduceat(microvolts, first),
        usagepoint=np.minimum.reduceat(at_maximum, first),
        over=np.add.reduceat((voltage > threshold).astype(np.int64), first),
    )
