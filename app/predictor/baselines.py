"""What a forecast must beat: same as now, and what that hour of the week brings.

As probabilities, from counts of labels that were known when they are asked: how often
the label then followed the label now, and how often an hour of the week was over.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["Baselines"]

WEEK_HOURS = 168
HOUR_SECONDS = 3_600


class Baselines:
    """Counts of labels: hours (168, 2) not over and over, follows (now, then)."""

    def __init__(self) -> None:
        self.hours = np.zeros((WEEK_HOURS, 2))
        self.follows = np.zeros((2, 2))

    def climatology(self, start: int) -> float:
        """Return how likely the hour of the week of a window is over."""
        not_over, over = self.hours[start // HOUR_SECONDS % WEEK_HOURS]
        return float((over + 1.0) / (not_over + over + 2.0))

    def persistence(self) -> tuple[float, float]:
        """Return how likely over follows a label that is not over, and one that is."""
        likely = (self.follows[:, 1] + 1.0) / (self.follows.sum(axis=1) + 2.0)
        return float(likely[0]), float(likely[1])

    def learn_hour(self, start: int, label: NDArray[np.bool_]) -> None:
        """Count the labels of a window."""
        over = int(label.sum())
        self.hours[start // HOUR_SECONDS % WEEK_HOURS] += len(label) - over, over

    def learn_follows(self, now: NDArray[np.bool_], then: NDArray[np.bool_]) -> None:
        """Count labels by the label that was known one horizon before."""
        counts = np.bincount(2 * now + then, minlength=4)
        self.follows += counts.reshape(2, 2)
