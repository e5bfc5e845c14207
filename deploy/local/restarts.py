"""How soon a process that has ended is started again, and how often at most."""

from collections import deque

__all__ = ["RESTARTS_MAX", "WITHIN_SECONDS", "Restarts"]

PAUSE_SECONDS_FIRST = 2.0
PAUSE_SECONDS_MAX = 30.0
RESTARTS_MAX = 5
WITHIN_SECONDS = 600.0


class Restarts:
    """The ends of one process, by a clock that only goes on.

    >>> restarts = Restarts()
    >>> [restarts.ended(now) for now in (0.0, 5.0, 10.0, 15.0, 20.0, 25.0)]
    [2.0, 4.0, 8.0, 16.0, 30.0, None]
    >>> restarts.total
    5
    """

    def __init__(self) -> None:
        self.total = 0  # how often it was started again
        self._ends: deque[float] = deque(maxlen=RESTARTS_MAX + 1)

    def ended(self, now: float) -> float | None:
        """Note an end; return the seconds until the next start, None for no more."""
        self._ends.append(now)
        recent = self.recent(now)
        if recent > RESTARTS_MAX:
            return None
        self.total += 1
        pause = PAUSE_SECONDS_FIRST * 2 ** (recent - 1)
        return float(min(pause, PAUSE_SECONDS_MAX))

    def recent(self, now: float) -> int:
        """Return how often it has ended within the time that counts."""
        return sum(now - end < WITHIN_SECONDS for end in self._ends)
