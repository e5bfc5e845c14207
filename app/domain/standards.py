"""Voltage standards as data, and their verdicts per window and per week.

A profile has an inner band (normal), an outer band (tolerated for a limited time), the
statistic of an interval that it judges, and how much of a week may lie outside. A limit
is inside its band. Where a standard gives no number, the number is ours and said to be.
"""

import math
import tomllib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.errors import SettingsError

__all__ = [
    "PROFILES",
    "Band",
    "Compliance",
    "Profile",
    "Verdict",
    "Week",
    "parse_profile",
    "profile",
]

WEEK_SECONDS = 604_800
Statistic = Literal["mean", "extremes"]


class Verdict(StrEnum):
    """What a profile says of one interval: a closed set, fit for a label."""

    NORMAL = "normal"  # inside the inner band
    LOW = "low"  # under the inner band, inside the outer one
    HIGH = "high"  # over the inner band, inside the outer one
    TOO_LOW = "too_low"  # under the outer band: act
    TOO_HIGH = "too_high"  # over the outer band: act
    INVALID = "invalid"  # nothing, or nothing usable, was measured


VERDICTS = np.array([str(verdict) for verdict in Verdict], dtype=object)
CODES = {verdict: code for code, verdict in enumerate(Verdict)}


class Compliance(StrEnum):
    """What a profile says of a week."""

    COMPLIANT = "compliant"
    VIOLATED = "violated"
    UNKNOWN = "unknown"  # too much is missing to call it compliant


@dataclass(frozen=True, slots=True)
class Band:
    """Volts from low to high, both inside; infinite where a side has no limit."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise SettingsError(f"a band needs low < high, not {self.low}, {self.high}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """A week judged.

    expected counts its intervals, valid those measured, outside_inner (EN 50160's N1)
    and outside_outer (N2) those of the valid ones beyond a band.
    """

    expected: int
    valid: int
    outside_inner: int
    outside_outer: int
    compliance: Compliance


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A voltage standard.

    nominal is the voltage that the bands are written for; judges says whether an
    interval is judged by its mean or by its extremes; interval_seconds is the interval
    that the weekly judgement counts; outside_share_max is the share of a week's valid
    intervals that may leave the inner band (none may leave the outer one), and
    missing_share_max the share of a week's intervals that may be missing before a
    clean rest no longer proves compliance.
    """

    name: str
    nominal_volts: float
    inner: Band
    outer: Band
    judges: Statistic
    interval_seconds: int = 600
    outside_share_max: float = 0.05
    missing_share_max: float = 0.05

    def __post_init__(self) -> None:
        wrong = None
        if not 0 < self.nominal_volts < math.inf:
            wrong = "nominal_volts is not positive"
        elif self.inner.low < self.outer.low or self.inner.high > self.outer.high:
            wrong = "the inner band leaves the outer"
        elif self.interval_seconds <= 0 or WEEK_SECONDS % self.interval_seconds:
            wrong = "interval_seconds does not divide a week"
        elif not (
            0 <= self.outside_share_max <= 1 and 0 <= self.missing_share_max <= 1
        ):
            wrong = "a share is not between 0 and 1"
        if wrong:
            raise SettingsError(f"voltage standard {self.name}: {wrong}")

    def scaled(self, nominal_volts: float) -> "Profile":
        """Return the profile for another nominal voltage, its bands in proportion.

        >>> profile("ansi-c84.1").scaled(240.0).inner
        Band(low=228.0, high=252.0)
        """
        ratio = nominal_volts / self.nominal_volts
        return replace(
            self,
            nominal_volts=nominal_volts,
            inner=Band(self.inner.low * ratio, self.inner.high * ratio),
            outer=Band(self.outer.low * ratio, self.outer.high * ratio),
        )

    def codes(
        self,
        minimum: ArrayLike,
        maximum: ArrayLike,
        mean: ArrayLike,
        count: ArrayLike | None = None,
    ) -> NDArray[np.int8]:
        """Return a verdict's place in `Verdict` per interval; columns of one length.

        The worse side wins, and over wins over under. Not a number, infinite, or a
        count of zero is invalid.
        """
        by_mean = self.judges == "mean"
        lowest = np.asarray(mean if by_mean else minimum, np.float64)
        highest = np.asarray(mean if by_mean else maximum, np.float64)
        codes = np.full(lowest.shape, CODES[Verdict.NORMAL], np.int8)
        codes[lowest < self.inner.low] = CODES[Verdict.LOW]
        codes[highest > self.inner.high] = CODES[Verdict.HIGH]
        codes[lowest < self.outer.low] = CODES[Verdict.TOO_LOW]
        codes[highest > self.outer.high] = CODES[Verdict.TOO_HIGH]
        invalid = ~(np.isfinite(lowest) & np.isfinite(highest))
        if count is not None:
            invalid |= np.asarray(count) < 1
        codes[invalid] = CODES[Verdict.INVALID]
        return codes

    def verdicts(
        self,
        minimum: ArrayLike,
        maximum: ArrayLike,
        mean: ArrayLike,
        count: ArrayLike | None = None,
    ) -> list[str]:
        """Return the verdict per interval, as words; see `codes`.

        >>> profile("ansi-c84.1").verdicts([113, 109], [121, 112], [119.5, 111.0])
        ['normal', 'low']
        """
        words: list[str] = VERDICTS[self.codes(minimum, maximum, mean, count)].tolist()
        return words

    def week(self, codes: ArrayLike, expected: int | None = None) -> Week:
        """Judge a week by the codes of its intervals; missing ones are not compliant.

        expected is how many intervals it should have (default: a full week's).
        """
        codes = np.asarray(codes, np.int8)
        if expected is None:
            expected = max(WEEK_SECONDS // self.interval_seconds, codes.size)
        valid = int((codes != CODES[Verdict.INVALID]).sum())
        outer = int(
            np.isin(codes, (CODES[Verdict.TOO_LOW], CODES[Verdict.TOO_HIGH])).sum()
        )
        inner = valid - int((codes == CODES[Verdict.NORMAL]).sum())
        missing = expected - valid
        if outer or inner > self.outside_share_max * valid:
            compliance = Compliance.VIOLATED
        elif not valid or missing > self.missing_share_max * expected:
            compliance = Compliance.UNKNOWN
        else:
            compliance = Compliance.COMPLIANT
        return Week(
            expected=expected,
            valid=valid,
            outside_inner=inner,
            outside_outer=outer,
            compliance=compliance,
        )


def seed(threshold_volts: float = 116.0) -> Profile:
    """Return the seed's rule: a maximum above the threshold is an alert."""
    band = Band(-math.inf, threshold_volts)
    return Profile(
        name="seed", nominal_volts=120.0, inner=band, outer=band, judges="extremes"
    )


PROFILES = {
    known.name: known
    for known in (
        seed(),
        # Range A is normal, range B for limited durations. C84.1 speaks of sustained
        # voltages, so the mean is judged; it puts no number on "infrequent": 5 % is
        # ours.
        Profile(
            name="ansi-c84.1",
            nominal_volts=120.0,
            inner=Band(114.0, 126.0),
            outer=Band(110.0, 127.0),
            judges="mean",
        ),
        Profile(
            name="ansi-c84.1-utilization",
            nominal_volts=120.0,
            inner=Band(108.0, 126.0),
            outer=Band(104.0, 127.0),
            judges="mean",
        ),
        # Ten-minute means of a week: N1 outside ±10 %, at most 5 % of them; N2 outside
        # +10/-15 %, none. How much may be missing is ours: the standard leaves it open.
        Profile(
            name="en50160",
            nominal_volts=230.0,
            inner=Band(207.0, 253.0),
            outer=Band(195.5, 253.0),
            judges="mean",
        ),
    )
}


def profile(name: str, *, threshold_volts: float = 116.0) -> Profile:
    """Return a shipped profile; the threshold is the seed profile's own.

    Raises:
        SettingsError: There is no such profile; names those there are.
    """
    if name == "seed":
        return seed(threshold_volts)
    if name not in PROFILES:
        raise SettingsError(f"no voltage standard {name!r}; know {', '.join(PROFILES)}")
    return PROFILES[name]


NUMBER = (int, float)
REQUIRED = {"name", "nominal_volts", "inner", "outer", "judges"}
KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("name", "judges"), str),
    **dict.fromkeys(("inner", "outer"), list),
    **dict.fromkeys(
        ("nominal_volts", "outside_share_max", "missing_share_max"), NUMBER
    ),
    "interval_seconds": int,
}


def parse_profile(text: str) -> Profile:
    """Return a utility's own profile, written as TOML with the fields of `Profile`.

    Bands are two numbers, low and high; `inf` and `-inf` stand for no limit.

    Raises:
        SettingsError: The text is no such profile; names the field.
    """
    try:
        values: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"voltage standard: not TOML: {error}") from None
    for field in REQUIRED - values.keys():
        raise SettingsError(f"voltage standard: field {field!r} is missing")
    for field, value in values.items():
        if field not in KINDS:
            raise SettingsError(f"voltage standard: no field {field!r}")
        if not isinstance(value, KINDS[field]) or isinstance(value, bool):
            raise SettingsError(f"voltage standard: {field} is not of its type")
    if values["judges"] not in ("mean", "extremes"):
        raise SettingsError("voltage standard: judges is neither mean nor extremes")
    for field in ("inner", "outer"):
        values[field] = _band(field, values[field])
    return Profile(**values)


def _band(field: str, limits: list[Any]) -> Band:
    if len(limits) != 2 or any(type(limit) not in (int, float) for limit in limits):
        raise SettingsError(f"voltage standard: {field} is not two numbers")
    return Band(float(limits[0]), float(limits[1]))
