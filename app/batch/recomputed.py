"""One transformer's day of windows, from its raw rows, in one pass over them."""

from calendar import timegm
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.sinks.base import Rows

__all__ = ["Day"]

DAY_SECONDS = 86_400
NOBODY = np.iinfo(np.int32).max


class Day:
    """Windows of one transformer's day; pages of its raw rows are added in any order.

    Written apart from app/domain, with which it is to be compared.
    """

    def __init__(self, key: Sequence[int], size: int, threshold: float) -> None:
        self.line, self.transformer, year, month, day = key
        self._begin = timegm((year, month, day, 0, 0, 0))
        self._size = size
        self._threshold = threshold
        windows = DAY_SECONDS // size
        self.count = np.zeros(windows, np.int64)
        self._total = np.zeros(windows, np.float64)
        self._over = np.zeros(windows, np.int64)
        self._minimum = np.full(windows, np.inf, np.float32)
        self._maximum = np.full(windows, -np.inf, np.float32)
        self._highest = np.full(windows, NOBODY, np.int32)

    def add(self, page: Rows, late: Sequence[Rows]) -> int:
        """Add readings, without those that came late; return how many these were."""
        moment = _moments(page)
        on_time = np.ones(len(moment), bool)
        for some in late:
            on_time &= ~np.isin(moment, _moments(some))
        voltage = page["voltage"][on_time]
        usagepoint = page["usagepoint"][on_time]
        window = (moment[on_time] % DAY_SECONDS) // self._size
        np.add.at(self.count, window, 1)
        np.add.at(self._total, window, voltage.astype(np.float64))
        np.add.at(self._over, window, voltage > self._threshold)
        np.minimum.at(self._minimum, window, voltage)
        before = self._maximum.copy()
        np.maximum.at(self._maximum, window, voltage)
        self._highest[self._maximum > before] = NOBODY
        at_maximum = voltage == self._maximum[window]
        np.minimum.at(self._highest, window[at_maximum], usagepoint[at_maximum])
        return int(np.count_nonzero(~on_time))

    def windows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the start (epoch seconds) and the columns of each window."""
        for place in np.flatnonzero(self.count).tolist():
            yield (
                self._begin + place * self._size,
                {
                    "count": int(self.count[place]),
                    "minimum": float(self._minimum[place]),
                    "maximum": float(self._maximum[place]),
                    "mean": float(self._total[place] / self.count[place]),
                    "usagepoint": int(self._highest[place]),
                    "over": int(self._over[place]),
                },
            )


def _moments(rows: Rows) -> NDArray[np.int64]:
    """Return a number for the meter and the second of the day of each row."""
    second = rows["hour"] * 3_600 + rows["minute"] * 60 + rows["second"]
    meter = rows["usagepoint"].astype(np.int64)
    moments: NDArray[np.int64] = meter * DAY_SECONDS + second
    return moments
