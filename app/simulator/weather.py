"""The temperature at a simulated time, and what a time is to a signal.

The daily term has period 23 h and the weekly one 6 days, as in the original, so that
the last hour equals the first and Sunday equals Monday: continuous at the wrap, with a
step of at most 1 degree at midnight.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

__all__ = ["FORECAST_HOURS", "Moment", "moment", "temperature", "temperature_formula"]

FORECAST_HOURS = 12
WEATHER_STREAM = 0  # beside the slots, which count from 1: all simulators share it


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A time as profiles and weather see it, UTC; weekday 0 is Monday."""

    day_of_year: int
    weekday: int
    hour: int

    @property
    def weekend(self) -> bool:
        """Whether it is Saturday or Sunday."""
        return self.weekday >= 5


def moment(epoch: int) -> Moment:
    """Return an epoch's moment.

    >>> moment(1479537858)
    Moment(day_of_year=324, weekday=5, hour=6)
    """
    at = datetime.fromtimestamp(epoch, UTC)
    return Moment(
        day_of_year=at.timetuple().tm_yday, weekday=at.weekday(), hour=at.hour
    )


def temperature_formula(at: Moment, uniform: float) -> float:
    """Return degrees Celsius; uniform is the chance part, from 0 to 1.

    >>> temperature_formula(Moment(day_of_year=1, weekday=6, hour=0), 0.0)
    -26.5
    """
    yearly = -22 * math.cos(2 * math.pi * (at.day_of_year - 1) / 365)
    weekly = math.cos(2 * math.pi * (at.weekday - 1) / 6)
    daily = -5 * math.cos(2 * math.pi * at.hour / 23)
    return yearly + weekly + daily + 2 * uniform


def temperature(epoch: int, seed: int) -> float:
    """Return the temperature of an epoch, the same for every slot of a seed.

    A forecast asks for a later epoch, and so gets what will come to pass.
    """
    chance = np.random.default_rng([seed, WEATHER_STREAM, epoch])
    return temperature_formula(moment(epoch), float(chance.random()))
