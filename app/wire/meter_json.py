"""Readings and weather as JSON: the road for people, scripts and gateways.

    {"timestamp": 1479537858, "voltage": 112.23, "demand": 100.5, "val3": 3.1}
    [{"usagepoint": 7, "timestamp": "2016-11-19T06:44:18Z", "voltage": 112.23}, …]
    {"timestamp": 1479537858, "temperature": -3.25}

What is missing or null beside time and voltage becomes NaN, which frames write as null.
Members that are not named here are ignored. A `"v"` other than 1 is rejected.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.domain.readings import EXTRA_COLUMNS, KEY_MAX
from app.errors import Reason, RejectedMessage
from app.wire.limits import Limits, parse_time

__all__ = [
    "JSON_STARTS",
    "VERSION",
    "Entries",
    "Entry",
    "decode_entries",
    "decode_temperature",
    "is_json",
]

VERSION = 1
JSON_STARTS = frozenset(b"{[")
FLOAT32_MAX = 3.4028234663852886e38


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One reading; values are voltage, demand and val3 to val12."""

    usagepoint: int
    timestamp: int
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Entries:
    """What one message held: good entries, and bad ones each as a batch of its own."""

    good: list[Entry] = field(default_factory=list)
    bad: list[tuple[bytes, RejectedMessage]] = field(default_factory=list)


def is_json(payload: bytes) -> bool:
    """Tell JSON from binary by the first byte of a payload that is not empty.

    As the top byte of an epoch, `{` or `[` would be a date beyond the age of the
    universe, so nothing plausible is taken for the other.
    """
    return payload[0] in JSON_STARTS


def decode_entries(
    payload: bytes, usagepoint: int, arrival: float, limits: Limits
) -> Entries:
    """Return the readings of a JSON message.

    Args:
        payload: The message.
        usagepoint: What the subject names; 0 for a batch.
        arrival: When the message was stored, epoch seconds.
        limits: Bounds.

    Raises:
        RejectedMessage: The message as a whole is of no use.
    """
    document = _parse(payload)
    if usagepoint:
        if type(document) is not dict:
            raise RejectedMessage(Reason.JSON, "an array belongs on the subject .batch")
        named = document.get("usagepoint", usagepoint)
        if named != usagepoint:
            raise RejectedMessage(
                Reason.KEY, f"usagepoint {str(named)[:40]} on the subject of another"
            )
        return Entries([_entry(document, usagepoint, arrival, limits)])
    if type(document) is not list:
        raise RejectedMessage(Reason.JSON, "a batch is an array of readings")
    if not document:
        raise RejectedMessage(Reason.EMPTY, "the batch holds no reading")
    if len(document) > limits.batch_readings_max:
        raise RejectedMessage(
            Reason.OVERSIZED,
            f"{len(document)} readings in one batch, "
            f"at most {limits.batch_readings_max}",
        )
    return _batch(document, arrival, limits)


def decode_temperature(payload: bytes) -> tuple[int, float]:
    """Return the epoch seconds and degrees Celsius of a weather message.

    Raises:
        RejectedMessage: The message is not weather.
    """
    document = _parse(payload)
    if type(document) is not dict:
        raise RejectedMessage(Reason.JSON, "weather is an object")
    _check_version(document)
    return _time(document), _number(document, "temperature")


def _parse(payload: bytes) -> Any:
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise RejectedMessage(
            Reason.ENCODING, f"not UTF-8 at byte {error.start}"
        ) from None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RejectedMessage(Reason.JSON, f"not JSON: {error}") from None


def _batch(document: list[Any], arrival: float, limits: Limits) -> Entries:
    entries = Entries()
    for item in document:
        try:
            entries.good.append(_entry(item, _usagepoint(item), arrival, limits))
        except RejectedMessage as rejection:
            try:
                # Alone, but still a batch: it can be sent again on the same subject.
                entries.bad.append((orjson.dumps([item]), rejection))
            except orjson.JSONEncodeError:
                raise RejectedMessage(Reason.JSON, "nested too deeply") from None
    return entries


def _entry(
    item: dict[str, Any], usagepoint: int, arrival: float, limits: Limits
) -> Entry:
    _check_version(item)
    timestamp = _time(item)
    voltage = _number(item, "voltage")
    extra = (
        math.nan if item.get(name) is None else _number(item, name)
        for name in EXTRA_COLUMNS
    )
    values = (voltage, *extra)
    limits.check_voltage(voltage)
    limits.check_time(timestamp, arrival)
    return Entry(usagepoint=usagepoint, timestamp=timestamp, values=values)


def _check_version(item: dict[str, Any]) -> None:
    version = item.get("v", VERSION)
    if type(version) is not int or version != VERSION:
        raise RejectedMessage(Reason.VERSION, f"version {str(version)[:40]}")


def _usagepoint(item: Any) -> int:
    if type(item) is not dict:
        raise RejectedMessage(Reason.JSON, "an entry of a batch is an object")
    value = item.get("usagepoint")
    if type(value) is not int or not 1 <= value <= KEY_MAX:
        raise RejectedMessage(
            Reason.KEY, f"usagepoint {str(value)[:40]} is not from 1 to {KEY_MAX}"
        )
    return value


def _time(item: dict[str, Any]) -> int:
    if "timestamp" not in item:
        raise RejectedMessage(Reason.JSON, "no timestamp")
    return parse_time(item["timestamp"])


def _number(item: dict[str, Any], name: str) -> float:
    if name not in item:
        raise RejectedMessage(Reason.JSON, f"no {name}")
    value = item[name]
    # By type and not isinstance: true is an int to Python.
    if type(value) not in {int, float} or not abs(value) <= FLOAT32_MAX:
        raise RejectedMessage(
            Reason.NOT_A_NUMBER, f"{name} {str(value)[:40]} is not a number"
        )
    return float(value)
