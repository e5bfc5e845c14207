"""What a forecast must beat: same as now, and what that hour of the week brings.

As probabilities, from counts of labels that were known when they are asked: how often
the label then followed the label now, and how often an hour of the week was over.
"""

__all__ = ["WEEK_HOURS", "Baselines"]

WEEK_HOURS = 168
HOUR_SECONDS = 3_600


class Baselines:
    """Counts of labels, over and all: of each hour of the week; after each label."""

    def __init__(self) -> None:
        self.hours_over = [0] * WEEK_HOURS
        self.hours_all = [0] * WEEK_HOURS
        self.follows_over = [0, 0]
        self.follows_all = [0, 0]

    def climatology(self, start: int) -> float:
        """Return how likely the hour of the week of a window is over."""
        hour = start // HOUR_SECONDS % WEEK_HOURS
        return _likely(self.hours_over[hour], self.hours_all[hour])

    def persistence(self) -> tuple[float, float]:
        """Return how likely over follows a label that is not over, and one that is."""
        not_over, over = map(_likely, self.follows_over, self.follows_all)
        return not_over, over

    def learn_hour(self, start: int, over: int, labels: int) -> None:
        """Count the labels of a window, and those of them that are over."""
        hour = start // HOUR_SECONDS % WEEK_HOURS
        self.hours_over[hour] += over
        self.hours_all[hour] += labels

    def learn_follows(self, now: list[float], then: list[bool]) -> None:
        """Count labels by the label (0 or 1) that was known one horizon before."""
        for before, over in zip(now, then, strict=True):
            self.learn_follow(before > 0, over)

    def learn_follow(self, now: bool, then: bool) -> None:
        """Count one label by the one that was known one horizon before."""
        self.follows_over[now] += then
        self.follows_all[now] += 1


def _likely(over: int, labels: int) -> float:
    return (over + 1.0) / (labels + 2.0)
