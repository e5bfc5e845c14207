"""The wall clock, as something that is passed in."""

import time
from collections.abc import Callable

__all__ = ["Clock", "wall_clock"]

Clock = Callable[[], float]
"""Returns the seconds since 1970-01-01T00:00:00Z."""

wall_clock: Clock = time.time
