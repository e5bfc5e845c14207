"""The features of a window ahead that all transformers of a lane share.

A few of many are not zero, so a vector is a list of places and a list of values. The
effect of temperature is a chain of hat functions: any curve, with no shape assumed. The
day is a step for each hour, apart at weekends, and a chain of hats around the clock for
what rises and falls within the hour.
"""

import functools
import hashlib
import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CHALLENGER_NAMES",
    "FINGERPRINT",
    "LAGS",
    "NAMES",
    "SIZE",
    "Chosen",
    "Features",
    "prior",
    "shared",
]

HOURS = 24
DAY_SECONDS = 86_400
WEEK_SECONDS = 7 * DAY_SECONDS
WEEKDAY_OF_EPOCH = 3  # 1970-01-01 was a Thursday; 0 is Monday
SATURDAY = 5

KNOT_FIRST, KNOT_STEP, KNOTS = -32.0, 2.0, 39  # degrees Celsius, up to 44
LAGS = (
    "maximum now",
    "maximum one window ago",
    "mean now",
    "minimum now",
    "maximum at that hour last",
)

HATS_AT = 2 * HOURS
UNFORESEEN_AT = HATS_AT + KNOTS
CLOCK_AT = UNFORESEEN_AT + 1
LAGS_AT = CLOCK_AT + HOURS
SIZE = LAGS_AT + len(LAGS)
LAG_PLACES = range(LAGS_AT, SIZE)

NAMES = (
    *(f"{day} {hour:02d} h" for day in ("weekday", "weekend") for hour in range(HOURS)),
    *(f"{KNOT_FIRST + KNOT_STEP * knot:g} °C" for knot in range(KNOTS)),
    "no forecast",
    *(f"around {hour:02d}:00" for hour in range(HOURS)),
    *LAGS,
)
CHALLENGER_NAMES = frozenset((*NAMES[:LAGS_AT], "over", "near"))

FINGERPRINT = hashlib.blake2b("\n".join(NAMES).encode(), digest_size=6).hexdigest()
"""Names the features: states of other ones are of no use to a regression."""


class Features:
    """Places and values of the features that are not zero.

    rows and scale are the same as columns, block the places in a matrix where such
    rows and columns meet; named are those without the lags, by name.
    """

    __slots__ = ("block", "named", "places", "rows", "scale", "values")

    def __init__(self, chosen: "Chosen", values: Iterable[float]) -> None:
        self.places, self.rows, self.block = chosen.places, chosen.rows, chosen.block
        self.values = tuple(values)
        self.scale: NDArray[np.float64] = np.array(self.values)
        self.named = dict(zip(chosen.names, self.values, strict=False))


class Chosen:
    """The places of features that are not zero, and what follows from them.

    names are those without the lags, which come last.

    Raises:
        ValueError: A lag comes before another feature.
    """

    __slots__ = ("block", "names", "places", "rows")

    def __init__(self, places: Iterable[int]) -> None:
        self.places = tuple(places)
        self.rows: NDArray[np.intp] = np.array(self.places, np.intp)
        self.block: NDArray[np.intp] = self.rows[:, None] * SIZE + self.rows
        known = tuple(place for place in self.places if place < LAGS_AT)
        if known != self.places[: len(known)]:
            raise ValueError("a lag comes before another feature")
        self.names = tuple(NAMES[place] for place in known)


def cell(start: int) -> int:
    """Return the cell of a window's start: hour of the day, apart at weekends.

    >>> cell(1479537858)  # a Saturday, 06:44
    30
    """
    days, seconds = divmod(start, DAY_SECONDS)
    weekend = (days + WEEKDAY_OF_EPOCH) % 7 >= SATURDAY
    return seconds // 3_600 + HOURS * weekend


def hats(celsius: float) -> list[tuple[int, float]]:
    """Return the two knots around a temperature with their weights, which sum to 1.

    >>> hats(-31.0)
    [(0, 0.5), (1, 0.5)]
    """
    place = min(max((celsius - KNOT_FIRST) / KNOT_STEP, 0.0), KNOTS - 1.0)
    left = min(int(place), KNOTS - 2)
    return [(left, 1.0 - (place - left)), (left + 1, place - left)]


def shared(start: int, celsius: float | None, lags: tuple[float, ...]) -> Features:
    """Return the features of a window: start, temperature foreseen, LAGS in volts.

    Lags are relative to the lane's centre; one that is not known is 0.
    """
    hour, seconds = divmod(start % WEEK_SECONDS, 3_600)
    late = seconds / 3_600
    if celsius is None or not math.isfinite(celsius):
        return Features(_chosen(hour, None), (1.0, 1.0, 1.0 - late, late, *lags))
    (left, first), (_, other) = hats(celsius)
    values = 1.0, first, other, 1.0 - late, late, *lags
    return Features(_chosen(hour, left), values)


# The same hours and temperatures come again, and for every lane.
@functools.lru_cache(maxsize=8_192)
def _chosen(hour: int, left: int | None) -> Chosen:
    """Return the places for an hour of epoch weeks and a temperature's left knot."""
    clock = CLOCK_AT + hour % HOURS, CLOCK_AT + (hour + 1) % HOURS
    knots = (UNFORESEEN_AT,) if left is None else (HATS_AT + left, HATS_AT + left + 1)
    return Chosen((cell(hour * 3_600), *knots, *clock, *LAG_PLACES))


def prior(lead_seconds: int) -> NDArray[np.float64]:
    """Return what is believed before anything is learnt: a covariance, volts squared.

    Neighbouring hours, and neighbouring temperatures, are alike, so that what one
    teaches the other knows. What was last is believed the less the longer the lead.
    """
    covariance = np.zeros((SIZE, SIZE))
    hour = np.arange(HOURS)
    apart = np.abs(hour[:, None] - hour)
    apart = np.minimum(apart, HOURS - apart)
    alike = np.exp(-((apart / 2.0) ** 2) / 2)
    covariance[:HATS_AT, :HATS_AT] = 4.0 * np.kron([[1.0, 0.7], [0.7, 1.0]], alike)
    knot = np.arange(KNOTS) * KNOT_STEP
    alike = np.exp(-(((knot[:, None] - knot) / 12.0) ** 2) / 2)
    covariance[HATS_AT:UNFORESEEN_AT, HATS_AT:UNFORESEEN_AT] = 4.0 * alike
    diagonal = np.einsum("ii->i", covariance)
    diagonal[:UNFORESEEN_AT] += 0.05
    diagonal[UNFORESEEN_AT] = 4.0
    diagonal[CLOCK_AT:LAGS_AT] = 1.0
    diagonal[LAGS_AT:] = 1e-3 + 0.25 * math.exp(-lead_seconds / 7_200)
    return covariance
