"""What a lane remembers of its last windows: its levels, and who deviated how."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Levels", "Memory"]

DAY_SECONDS = 86_400


@dataclass(slots=True)
class Levels:
    """Means over a window's transformers, volts."""

    maximum: float
    mean: float
    minimum: float


class Memory:
    """The last windows, by start: levels, and deviations as (slots, volts)."""

    def __init__(self, size_seconds: int, lead_seconds: int) -> None:
        self.size = size_seconds
        self.lead = lead_seconds
        # The last day on which the foreseen window's time of day is known already.
        self.days_back = -(-lead_seconds // DAY_SECONDS) * DAY_SECONDS
        self.reach = max(self.days_back - lead_seconds, size_seconds)
        self.levels: dict[int, Levels] = {}
        self.deviations: dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}

    def add(
        self,
        start: int,
        levels: Levels,
        slots: NDArray[np.int64],
        deviations: NDArray[np.float64],
    ) -> None:
        """Remember a window; forget what no lag will ask for."""
        self.levels[start] = levels
        self.deviations[start] = slots, deviations
        oldest = start - self.reach
        for kept in (self.levels, self.deviations):
            while (first := next(iter(kept))) < oldest:
                del kept[first]

    def lags(self, start: int, centre: float) -> tuple[float, ...]:
        """Return the values of `features.LAGS`, seen from a window; 0 if unknown."""
        now, before = self.levels.get(start), self.levels.get(start - self.size)
        then = self.levels.get(start + self.lead - self.days_back)
        return (
            now.maximum - centre if now else 0.0,
            before.maximum - centre if before else 0.0,
            now.mean - centre if now else 0.0,
            now.minimum - centre if now else 0.0,
            then.maximum - centre if then else 0.0,
        )

    def deviation_then(
        self, start: int, slots: NDArray[np.int64], known: int
    ) -> NDArray[np.float64]:
        """Return the deviations at the foreseen time of day, last; 0 if unknown."""
        then = self.deviations.get(start + self.lead - self.days_back)
        if then is not None and then[0] is slots:
            return then[1]
        every = np.zeros(known)
        if then is not None:
            every[then[0]] = then[1]
        return every[slots]
