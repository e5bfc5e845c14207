"""The day and the week of a kind of customer: voltage and demand by the hour.

Knots stand every 3 hours from 0 to 24, with straight lines between them, taken at whole
hours. Demand has the same shape as the customer's day, in the original's unit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["BUSINESS", "CONSUMER", "INDUSTRY", "PROFILES", "Kind", "Profile", "choose"]

Kind = Literal["consumer", "business", "industry", "mixed"]

KNOT_HOURS = np.arange(0, 25, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Knots of a weekday and of a weekend day."""

    voltage: tuple[Sequence[int], Sequence[int]]
    demand: tuple[Sequence[int], Sequence[int]]


CONSUMER = Profile(
    voltage=(
        (117, 117, 118, 116, 115, 114, 116, 118, 117),
        (117, 117, 116, 116, 118, 119, 119, 118, 117),
    ),
    demand=(
        (100, 100, 80, 50, 60, 80, 90, 115, 100),
        (100, 100, 80, 90, 80, 90, 115, 90, 100),
    ),
)
BUSINESS = Profile(
    voltage=(
        (117, 117, 118, 119, 119, 120, 118, 117, 117),
        (117, 116, 116, 115, 114, 114, 114, 115, 117),
    ),
    demand=(
        (60, 80, 160, 280, 300, 290, 180, 80, 60),
        (100, 80, 70, 70, 60, 70, 80, 90, 100),
    ),
)
INDUSTRY = Profile(
    voltage=(
        (120, 120, 121, 122, 121, 122, 121, 121, 120),
        (120, 120, 121, 121, 121, 121, 120, 120, 120),
    ),
    demand=(
        (3000, 3000, 3200, 3300, 3200, 3300, 3100, 3000, 3000),
        (2700, 2700, 2750, 2800, 2800, 2850, 2750, 2700, 2700),
    ),
)

PROFILES = (CONSUMER, BUSINESS, INDUSTRY)
MIXED = np.array([1, 1, 1, 2, 2, 0, 0, 0, 0, 0])
"""The profile of each last digit of a meter's code."""


def choose(kind: Kind, code: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each meter's place in PROFILES.

    Mixed means half consumers, three tenths businesses and two tenths industry.
    """
    if kind == "mixed":
        mixed: NDArray[np.int64] = MIXED[np.abs(code) % 10]
        return mixed
    place = {"consumer": 0, "business": 1, "industry": 2}[kind]
    return np.full(len(code), place, np.int64)


def hourly(knots: Sequence[int]) -> NDArray[np.float64]:
    """Return the values of 24 hours.

    >>> hourly((0, 3, 6, 9, 12, 15, 18, 21, 24))[[0, 1, 23]].tolist()
    [0.0, 1.0, 23.0]
    """
    return np.interp(np.arange(24), KNOT_HOURS, knots)


def spread(knots: Sequence[int]) -> int:
    """Return how far a day's voltages lie apart, which scales noise and bias."""
    return max(knots) - min(knots)
