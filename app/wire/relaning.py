"""Frames of one number of lanes made into frames of another. Pure.

Rows go on in the order of their stream sequences, over all lanes: so a new lane's
sequences grow, and each transformer keeps its order. A new frame's watermark is the
least that any of the old lanes had reached with the rows before it, so that no reading
is late that was not late before.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.readings import Readings, lane_of
from app.domain.windows import NO_TIME
from app.wire.frames import Frame

__all__ = ["Relaning"]


@dataclass(slots=True)
class _Source:
    """An old lane: rows not taken yet, and the watermark behind and before them."""

    rows: Readings | None = None
    mark: int = NO_TIME
    next_mark: int = NO_TIME
    ended: bool = False


class Relaning:
    """Takes frames of old lanes, each lane's in order, and gives frames of new ones.

    >>> relaning = Relaning(old_lanes=1, lanes=2, rows_max=500)
    >>> relaning.needs
    [0]
    >>> relaning.end(0)
    >>> [(frame.lane, frame.last) for frame in relaning.closing()]
    [(0, 0), (1, 0)]
    """

    def __init__(self, *, old_lanes: int, lanes: int, rows_max: int) -> None:
        self._sources = [_Source() for _ in range(old_lanes)]
        self._lanes = lanes
        self._rows_max = rows_max
        self._known: dict[tuple[int, int], int] = {}
        self._last = 0

    @property
    def needs(self) -> list[int]:
        """The old lanes whose next frame is wanted before anything can go on."""
        return [
            lane
            for lane, source in enumerate(self._sources)
            if source.rows is None and not source.ended
        ]

    def give(self, lane: int, frame: Frame) -> None:
        """Take the next frame of a lane that `needs` names."""
        source = self._sources[lane]
        self._last = max(self._last, frame.last)
        if len(frame.readings):
            source.rows, source.next_mark = frame.readings, frame.watermark
        else:
            source.mark = max(source.mark, frame.watermark)

    def end(self, lane: int) -> None:
        """Note that an old lane has no more frames."""
        self._sources[lane].ended = True

    def take(self) -> Iterator[Frame]:
        """Yield the frames that can be made now; nothing while a lane is needed."""
        while not self.needs and any(s.rows is not None for s in self._sources):
            yield from self._next()

    def closing(self) -> Iterator[Frame]:
        """Yield, once all has been taken, an empty frame for each new lane.

        They bring every lane to the same watermark, and say how far the stream was
        carried.
        """
        for lane in range(self._lanes):
            yield Frame(
                lane=lane,
                first=self._last,
                last=self._last,
                watermark=self._watermark(),
                readings=Readings.empty(),
            )

    def _next(self) -> Iterator[Frame]:
        """Take the rows up to the end of the frame that ends first."""
        active = [source for source in self._sources if source.rows is not None]
        limit = min(int(s.rows.sequence[-1]) for s in active if s.rows is not None)
        before = self._watermark()
        parts = [_taken(source, limit) for source in active]
        after = self._watermark()
        rows = Readings.concatenate([part for part in parts if len(part)])
        rows = rows.take(np.argsort(rows.sequence, kind="stable"))
        lanes = self._lanes_of(rows)
        for lane in np.unique(lanes).tolist():
            mine = rows.take(lanes == lane)
            for begin, end in _cuts(mine.sequence, self._rows_max):
                some = mine.take(slice(begin, end))
                yield Frame(
                    lane=lane,
                    first=int(some.sequence[0]),
                    last=int(some.sequence[-1]),
                    # A frame's watermark judges what follows it, its own rest too.
                    watermark=after if end == len(mine) else before,
                    readings=some,
                )

    def _watermark(self) -> int:
        """Return the least that an old lane has reached; one without any is no lane."""
        marks = [
            source.mark
            for source in self._sources
            if source.mark > NO_TIME or not source.ended or source.rows is not None
        ]
        return min(marks, default=NO_TIME)

    def _lanes_of(self, rows: Readings) -> NDArray[np.int64]:
        keys, place = np.unique(
            np.stack([rows.line, rows.transformer]), axis=1, return_inverse=True
        )
        lanes = [self._lane(line, transformer) for line, transformer in keys.T.tolist()]
        return np.array(lanes, np.int64)[place.reshape(-1)]

    def _lane(self, line: int, transformer: int) -> int:
        key = line, transformer
        if key not in self._known:
            self._known[key] = lane_of(line, transformer, self._lanes)
        return self._known[key]


def _taken(source: _Source, limit: int) -> Readings:
    """Take a lane's rows up to a sequence; behind the last, its watermark holds."""
    assert source.rows is not None  # noqa: S101 - asked of lanes with rows alone
    count = int(np.searchsorted(source.rows.sequence, limit, side="right"))
    taken = source.rows.take(slice(0, count))
    if count < len(source.rows):
        source.rows = source.rows.take(slice(count, None))
    else:
        source.rows, source.mark = None, max(source.mark, source.next_mark)
    return taken


def _cuts(sequence: NDArray[np.int64], rows_max: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of at most rows_max rows that part no message's rows.

    >>> list(_cuts(np.array([1, 2, 2, 2, 3]), 2))
    [(0, 1), (1, 4), (4, 5)]
    """
    begin = 0
    while begin < len(sequence):
        end = min(begin + rows_max, len(sequence))
        if end < len(sequence) and sequence[end - 1] == sequence[end]:
            start = int(np.searchsorted(sequence, sequence[end], side="left"))
            message_end = int(np.searchsorted(sequence, sequence[end], side="right"))
            end = start if start > begin else message_end
        yield begin, end
        begin = end
