"""Temperatures and forecasts as they arrive on NATS.

A payload is 12 bytes, big-endian: int64 epoch seconds and float32 degrees Celsius, or
JSON (meter_json). The stream's transform stores it as `<weather subject>.temperature`
or `<weather subject>.forecast.<hours>`.
"""

import math
import struct
from dataclasses import dataclass
from typing import Literal

from app.errors import Reason, RejectedMessage
from app.wire import meter_json
from app.wire.limits import CELSIUS_MAX, CELSIUS_MIN, Limits
from app.wire.meter import RawMessage

__all__ = ["WEATHER_BYTES", "Weather", "decode_weather", "encode_weather"]

PACKED_WEATHER = struct.Struct(">qf")
WEATHER_BYTES = PACKED_WEATHER.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """A temperature (hours 0), or a forecast; epoch is the moment that it is for."""

    kind: Literal["temperature", "forecast"]
    epoch: int
    celsius: float
    hours: int
    sequence: int


def encode_weather(epoch: int, celsius: float) -> bytes:
    """Return a temperature or a forecast as 12 bytes.

    >>> encode_weather(1479537858, 112.23).hex()
    '00000000582ff4c242e075c3'
    """
    return PACKED_WEATHER.pack(epoch, celsius)


def decode_weather(
    message: RawMessage, weather_subject: str, limits: Limits
) -> Weather:
    """Return the temperature or forecast that a message holds.

    Raises:
        RejectedMessage: The message is not weather.
    """
    subject, payload, sequence, arrival = message
    hours = _hours_ahead(subject, weather_subject)
    limits.check_size(payload)
    if meter_json.is_json(payload):
        epoch, celsius = meter_json.decode_temperature(payload)
    elif len(payload) == WEATHER_BYTES:
        epoch, celsius = PACKED_WEATHER.unpack(payload)
    else:
        raise RejectedMessage(
            Reason.LENGTH, f"{len(payload)} bytes, neither {WEATHER_BYTES} nor JSON"
        )
    if not math.isfinite(celsius):
        raise RejectedMessage(Reason.NOT_A_NUMBER, f"temperature is {celsius}")
    if not CELSIUS_MIN <= celsius <= CELSIUS_MAX:
        raise RejectedMessage(
            Reason.TEMPERATURE_RANGE,
            f"{celsius:g} °C is outside {CELSIUS_MIN:g} to {CELSIUS_MAX:g} °C",
        )
    limits.check_time(epoch, arrival, ahead_seconds=hours * 3_600)
    return Weather(
        kind="forecast" if hours else "temperature",
        epoch=epoch,
        celsius=celsius,
        hours=hours,
        sequence=sequence,
    )


def _hours_ahead(subject: str, weather_subject: str) -> int:
    match subject.removeprefix(f"{weather_subject}.").split("."):
        case ["temperature"]:
            return 0
        case ["forecast", token] if _canonical(token):
            return int(token)
    raise RejectedMessage(
        Reason.SUBJECT, "not <base>.temperature or <base>.forecast.<1 to 999 hours>"
    )


def _canonical(token: str) -> bool:
    return token.isascii() and token.isdigit() and token[0] != "0" and len(token) <= 3
