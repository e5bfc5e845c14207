"""The windows that a lane closed last, kept in memory for whoever looks at it."""

import numpy as np

from app.domain.windows import NO_TIME, WindowRows

__all__ = ["ROWS_MAX", "STARTS_MAX", "RecentWindows"]

STARTS_MAX = 96  # a day of the seed's quarter hours
ROWS_MAX = 1 << 17  # about 7 MB a lane; where a fleet is larger, fewer starts are kept


class RecentWindows:
    """Closed windows of one lane by start: the last starts, each one complete.

    The oldest start goes first when there are too many starts or rows; the newest one
    stays whatever its size. is_filled is for the one who backfills to keep.
    """

    def __init__(
        self, *, starts_max: int = STARTS_MAX, rows_max: int = ROWS_MAX
    ) -> None:
        self.is_filled = False
        self._starts_max = starts_max
        self._rows_max = rows_max
        self._parts: dict[int, list[WindowRows]] = {}
        self._count = 0
        self._everything: WindowRows | None = None

    def __len__(self) -> int:
        return self._count

    @property
    def starts(self) -> list[int]:
        """Window starts, epoch seconds, oldest first."""
        return sorted(self._parts)

    def add(self, rows: WindowRows) -> None:
        """Add windows that have just closed; they replace what is known of them."""
        if not len(rows):
            return
        for start, part in _by_start(rows):
            self._parts.setdefault(start, []).append(part)
            self._count += len(part)
        self._everything = None
        self._evict()

    def backfill(self, rows: WindowRows) -> bool:
        """Add windows that closed earlier; what is known of them already stays.

        Returns:
            Whether there is room for still older ones.
        """
        for start, part in _by_start(rows):
            self._parts.setdefault(start, []).insert(0, part)
            self._count += len(part)
            self.rows(start)
        self._everything = None
        return not self._evict()

    def rows(self, start: int) -> WindowRows:
        """Return the windows of a start, sorted by key, each once."""
        parts = self._parts.get(start, [])
        if len(parts) == 1:
            return parts[0]
        merged = WindowRows.concatenate(parts)
        if parts:
            # The first of equal keys in reverse is the one that was added last.
            _, last = np.unique(merged.key[::-1], return_index=True)
            merged = merged.take(len(merged) - 1 - last)
            self._count += len(merged) - sum(map(len, parts))
            self._parts[start] = [merged]
        return merged

    @property
    def everything(self) -> WindowRows:
        """All windows, each once, oldest start first; kept until another one closes."""
        if self._everything is None:
            parts = [self.rows(start) for start in self.starts]
            self._everything = WindowRows.concatenate(parts)
        return self._everything

    def maximum(self, start: int) -> np.float32:
        """Return the largest voltage of a start that is known, volts."""
        maxima = [part.maximum.max() for part in self._parts[start]]
        return np.float32(max(maxima))

    def _evict(self) -> bool:
        evicted = False
        while len(self._parts) > self._starts_max or (
            self._count > self._rows_max and len(self._parts) > 1
        ):
            gone = self._parts.pop(min(self._parts))
            self._count -= sum(map(len, gone))
            evicted = True
        return evicted


def _by_start(rows: WindowRows) -> list[tuple[int, WindowRows]]:
    """Return rows, sorted by start, cut at each new start."""
    bounds = np.flatnonzero(np.diff(rows.start, prepend=NO_TIME, append=-NO_TIME))
    return [
        (int(rows.start[begin]), rows.take(slice(begin, end)))
        for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    ]
