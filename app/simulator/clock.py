"""Simulated time: one epoch of 900 s for each cycle of the fleet.

A cycle takes one wall second by default, so that a day passes in 96 s. All
readings of a cycle carry its epoch. Time starts in the past and never passes the wall
clock: once it has caught up, one epoch comes every 900 s.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

__all__ = ["EPOCH_SECONDS", "SimulatedClock", "default_start"]

EPOCH_SECONDS = 900
WEEK_SECONDS = 7 * 86_400
START_AGO = timedelta(days=5 * 365.25)
MONDAY = int(datetime(1970, 1, 5, tzinfo=UTC).timestamp())


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedClock:
    """A pure function of the wall clock, so that simulators that share it agree.

    root is the moment of the first cycle in wall seconds, start its epoch, and
    period_seconds the wall time of a cycle; 0 lets cycles follow each other at will.
    """

    root: float
    start: int
    period_seconds: float = 1.0

    def epoch(self, cycle: int) -> int:
        """Return the epoch of a cycle.

        >>> SimulatedClock(root=0.0, start=900).epoch(2)
        2700
        """
        return self.start + cycle * EPOCH_SECONDS

    def begins_at(self, cycle: int) -> float:
        """Return the wall time at which a cycle begins: never before its epoch."""
        return max(self.root + cycle * self.period_seconds, float(self.epoch(cycle)))

    def has_caught_up(self, cycle: int) -> bool:
        """Return whether a cycle is the first that waits for the wall clock.

        >>> SimulatedClock(root=10_000.0, start=9_000).has_caught_up(2)
        True
        """
        waits = [
            self.epoch(each) > self.root + each * self.period_seconds
            for each in (cycle - 1, cycle)
        ]
        return waits == [False, True]

    def cycle_at(self, wall: float) -> int:
        """Return the cycle that began last before a wall time; below 0 if none.

        Without a period it is the first: cycles follow each other from there.
        """
        if not self.period_seconds:
            return 0
        return min(
            math.floor((wall - self.root) / self.period_seconds),
            math.floor((wall - self.start) / EPOCH_SECONDS),
        )

    def time(self, wall: float) -> int:
        """Return the simulated time at a wall time, in steps of an epoch."""
        return self.epoch(max(0, self.cycle_at(wall)))


def default_start(wall: float) -> int:
    """Return a Monday, 00:00 UTC, five years before a wall time.

    >>> datetime.fromtimestamp(default_start(1_700_000_000), UTC).strftime("%c")
    'Mon Nov 12 00:00:00 2018'
    """
    ago = int(wall - START_AGO.total_seconds())
    return ago - (ago - MONDAY) % WEEK_SECONDS
