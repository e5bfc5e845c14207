"""What a message from a meter may hold at most: bounds, keys and times."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from app.domain.readings import KEY_MAX
from app.errors import Reason, RejectedMessage
from app.settings import Settings

__all__ = [
    "CELSIUS_MAX",
    "CELSIUS_MIN",
    "TIME_SECONDS_END",
    "Limits",
    "parse_key",
    "parse_time",
]

TIME_SECONDS_END = 10**11
"""Times from here on are milliseconds, taken for seconds (or the year 5138)."""

CELSIUS_MIN, CELSIUS_MAX = -100.0, 100.0

RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.0+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds beyond which a message is rejected.

    batch_readings_max bounds what one message may bring, for the rows of one message
    stay together in one frame.
    """

    voltage_volts_min: float = 0.0
    voltage_volts_max: float = 1_000.0
    clock_skew_seconds_max: float = 300.0
    message_bytes_max: int = 1 << 20
    batch_readings_max: int = 500

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the bounds that the settings name."""
        return cls(
            voltage_volts_min=settings.bridge.voltage_volts_min,
            voltage_volts_max=settings.bridge.voltage_volts_max,
            clock_skew_seconds_max=settings.bridge.clock_skew_seconds_max,
            message_bytes_max=settings.nats.message_bytes_max,
        )

    def check_size(self, payload: bytes) -> None:
        """Reject a payload that is empty or too large.

        Raises:
            RejectedMessage: EMPTY or OVERSIZED.
        """
        if not payload:
            raise RejectedMessage(Reason.EMPTY, "no payload")
        if len(payload) > self.message_bytes_max:
            raise RejectedMessage(
                Reason.OVERSIZED,
                f"{len(payload)} bytes, at most {self.message_bytes_max}",
            )

    def check_time(self, epoch: int, arrival: float, ahead_seconds: int = 0) -> None:
        """Reject a time that is no time in seconds, or lies after the arrival.

        Args:
            epoch: What the message says, epoch seconds.
            arrival: When the message was stored, epoch seconds.
            ahead_seconds: How far ahead of its arrival the message may speak.

        Raises:
            RejectedMessage: TIME_RANGE or FUTURE.
        """
        if not 0 < epoch < TIME_SECONDS_END:
            raise RejectedMessage(
                Reason.TIME_RANGE, f"time {epoch} is not in seconds since 1970"
            )
        if epoch > arrival + self.clock_skew_seconds_max + ahead_seconds:
            raise RejectedMessage(
                Reason.FUTURE,
                f"time {epoch} is {epoch - arrival:.0f} s after its arrival",
            )

    def check_voltage(self, volts: float) -> None:
        """Reject an absurd voltage.

        Raises:
            RejectedMessage: VOLTAGE_RANGE.
        """
        if not self.voltage_volts_min <= volts <= self.voltage_volts_max:
            raise RejectedMessage(
                Reason.VOLTAGE_RANGE,
                f"{volts:g} V is outside "
                f"{self.voltage_volts_min:g} to {self.voltage_volts_max:g} V",
            )


def parse_key(token: str) -> int:
    """Return the line, transformer or usage point that a subject's token names.

    One spelling a number: signs, spaces, leading zeros and digits of other scripts
    would give one meter two subjects, and two lanes.

    >>> parse_key("71")
    71

    Raises:
        RejectedMessage: KEY.
    """
    plain = token.isascii() and token.isdigit() and token[0] != "0"
    if not plain or len(token) > 10 or int(token) > KEY_MAX:
        raise RejectedMessage(
            Reason.KEY, f"{token[:40]!r} is not a number from 1 to {KEY_MAX}"
        )
    return int(token)


def parse_time(value: Any) -> int:
    """Return the epoch seconds of a JSON timestamp: a number, or RFC 3339 with zone.

    >>> parse_time("2016-11-19T07:44:18+01:00")
    1479537858

    Raises:
        RejectedMessage: JSON, also for fractions of a second.
    """
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) is str and RFC_3339.fullmatch(value):
        try:
            return int(datetime.fromisoformat(value.upper()).timestamp())
        except ValueError:
            pass  # the 30th of February
    raise RejectedMessage(
        Reason.JSON,
        f"timestamp {str(value)[:40]!r} is neither whole epoch seconds nor RFC 3339",
    )
