"""What a forecast is made from and what it says, as columns: one window start each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ClosedWindow", "Predictions", "closed_windows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedWindow:
    """The windows of one start that closed together, a row per transformer.

    start is in epoch seconds; key is line and transformer (windows.pack_keys), sorted
    and distinct; minimum, maximum and mean are in volts, float64.
    """

    start: int
    key: NDArray[np.int64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    mean: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.key)

    def take(self, rows: NDArray[Any]) -> "ClosedWindow":
        """Return some of the rows."""
        return ClosedWindow(
            start=self.start,
            key=self.key[rows],
            minimum=self.minimum[rows],
            maximum=self.maximum[rows],
            mean=self.mean[rows],
        )


@dataclass(slots=True, kw_only=True)
class Predictions:
    """The probability that each transformer's maximum will pass the threshold.

    target is the start of the window that is foreseen and made_from that of the
    window it was foreseen from, epoch seconds; celsius is the temperature
    foreseen for it, None where no forecast was known; probability is float64.
    """

    target: int
    made_from: int
    celsius: float | None
    key: NDArray[np.int64]
    probability: NDArray[np.float64]
    alert: NDArray[np.bool_]


def closed_windows(columns: Mapping[str, Any]) -> Iterator[ClosedWindow]:
    """Yield the windows of a record's columns by ascending start; see ClosedWindow.

    Raises:
        KeyError, TypeError, ValueError: The columns are not those of closed windows.
    """
    start = np.array(columns["start"], np.int64)
    key = np.array(columns["line"], np.int64) << 32
    key |= np.array(columns["transformer"], np.int64)
    volts = [
        np.array(columns[name], np.float64) for name in ("minimum", "maximum", "mean")
    ]
    if any(column.shape != start.shape for column in (key, *volts)) or start.ndim != 1:
        raise ValueError("columns of different lengths")
    if not all(np.isfinite(column).all() for column in volts):
        raise ValueError("a voltage is not finite")
    if len(start) and (start == start[0]).all() and (np.diff(key) > 0).all():
        # The usual case: one start, and sorted.
        yield _window(int(start[0]), key, volts)
        return
    order = np.lexsort((key, start))
    for rows in np.split(order, np.flatnonzero(np.diff(start[order])) + 1):
        if len(rows):
            # A window is one row: what repeats it, within one record, is dropped.
            rows = rows[np.diff(key[rows], prepend=-1) > 0]  # noqa: PLW2901 - narrowed
            at = int(start[rows[0]])
            yield _window(at, key[rows], [column[rows] for column in volts])


def _window(
    start: int, key: NDArray[np.int64], volts: list[NDArray[np.float64]]
) -> ClosedWindow:
    minimum, maximum, mean = volts
    return ClosedWindow(
        start=start, key=key, minimum=minimum, maximum=maximum, mean=mean
    )
