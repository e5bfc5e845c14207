"""When windows raise alerts, and when they are calm."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.standards import Profile

__all__ = ["ClosedRows", "Rules", "Side"]

RECENT_MAX = 500


class Side(StrEnum):
    """On which side of what is allowed a voltage lies."""

    HIGH = "high"
    LOW = "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When an alert is raised and when it clears; volts, and windows of size seconds.

    A window is over with readings_over_min readings above the threshold, or, where
    the standard judges means, with a mean beyond its inner band. It is under where the
    standard says so. It is calm where it is inside by the margin.
    """

    size: int
    threshold: float
    profile: Profile
    readings_over_min: int = 2
    clear_windows: int = 2
    clear_margin: float = 0.5
    recent_max: int = RECENT_MAX

    def breached(self, rows: "ClosedRows") -> dict[Side, NDArray[np.bool_]]:
        """Return which windows raise an alert, by side."""
        inner = self.profile.inner
        high = rows.over >= self.readings_over_min
        if self.is_mean_judged:
            high = high | (rows.mean > inner.high)
        return {Side.HIGH: high, Side.LOW: self._lowest(rows) < inner.low}

    def calm(self, rows: "ClosedRows") -> dict[Side, NDArray[np.bool_]]:
        """Return which windows count towards the end of an alert, by side."""
        inner, margin = self.profile.inner, self.clear_margin
        high = rows.maximum <= self.threshold - margin
        if self.is_mean_judged:
            high = high & (rows.mean <= inner.high - margin)
        return {Side.HIGH: high, Side.LOW: self._lowest(rows) >= inner.low + margin}

    def limit(self, side: Side, over: int) -> float:
        """Return the volts that a window has crossed that raises an alert."""
        if side is Side.LOW:
            return self.profile.inner.low
        by_count = over >= self.readings_over_min
        return self.threshold if by_count else self.profile.inner.high

    @property
    def is_mean_judged(self) -> bool:
        """Whether the standard judges the mean of a window, and not its extremes."""
        return self.profile.judges == "mean"

    def _lowest(self, rows: "ClosedRows") -> NDArray[np.float64]:
        return rows.mean if self.is_mean_judged else rows.minimum


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedRows:
    """Closed windows as columns of one length, sorted by start, then key.

    key is line and transformer (windows.pack_keys); start is in epoch seconds, volts
    are float64, verdict holds words.
    """

    start: NDArray[np.int64]
    key: NDArray[np.int64]
    count: NDArray[np.int64]
    over: NDArray[np.int64]
    usagepoint: NDArray[np.int64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    mean: NDArray[np.float64]
    verdict: NDArray[Any]

    def __len__(self) -> int:
        return len(self.start)

    @staticmethod
    def from_columns(columns: Mapping[str, Any]) -> "ClosedRows":
        """Return the windows of a record.

        Raises:
            KeyError, TypeError, ValueError: It holds no closed windows.
        """
        whole: dict[str, NDArray[Any]] = {
            name: np.array(columns[name], np.int64)
            for name in ("start", "line", "transformer", "count", "over", "usagepoint")
        }
        key = whole.pop("line") << 32 | whole.pop("transformer")
        volts: dict[str, NDArray[Any]] = {
            name: np.array(columns[name], np.float64)
            for name in ("minimum", "maximum", "mean")
        }
        if not all(np.isfinite(column).all() for column in volts.values()):
            raise ValueError("a voltage is not finite")
        verdict = np.array(columns["verdict"], object)
        rows = ClosedRows(**whole, key=key, **volts, verdict=verdict)
        shapes = {getattr(rows, field.name).shape for field in fields(rows)}
        if shapes != {(len(rows),)}:
            raise ValueError("columns of different lengths")
        return rows.take(np.lexsort((key, rows.start)))

    def take(self, chosen: NDArray[Any]) -> "ClosedRows":
        """Return some of the rows."""
        return ClosedRows(
            **{field.name: getattr(self, field.name)[chosen] for field in fields(self)}
        )
