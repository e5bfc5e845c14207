"""Any payload as a person reads it: JSON, a reading, weather, or bytes."""

import math
from typing import Any

import orjson

from app.domain.readings import EXTRA_COLUMNS
from app.wire.meter import PACKED_READING, READING_BYTES
from app.wire.weather import PACKED_WEATHER, WEATHER_BYTES

__all__ = ["readable"]


def readable(payload: bytes) -> Any:
    """Return what a payload says, as JSON values.

    The binary forms are told apart by their length alone, as the bridge does.

    >>> readable(bytes.fromhex("00000000582ff4c242e075c3"))
    {'timestamp': 1479537858, 'temperature': 112.23}
    >>> readable(b'{"epoch":1479537000,"voltage":117.5}')
    {'epoch': 1479537000, 'voltage': 117.5}
    >>> readable(bytes.fromhex("ff00"))
    {'hex': 'ff00'}
    """
    if payload[:1] in {b"{", b"["}:
        try:
            return orjson.loads(payload)
        except ValueError:
            return {"text": payload.decode(errors="replace")}
    if len(payload) == READING_BYTES:
        timestamp, voltage, *others = PACKED_READING.unpack(payload)
        values = zip(EXTRA_COLUMNS, others, strict=True)
        said = {name: _short(value) for name, value in values if value}
        return {"timestamp": timestamp, "voltage": _short(voltage), **said}
    if len(payload) == WEATHER_BYTES:
        timestamp, celsius = PACKED_WEATHER.unpack(payload)
        return {"timestamp": timestamp, "temperature": _short(celsius)}
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return {"hex": payload.hex()}
    return {"text": text} if text.isprintable() else {"hex": payload.hex()}


def _short(value: float) -> float | None:
    """Return a float32 by the digits that it holds; None where it is no number."""
    return float(f"{value:.7g}") if math.isfinite(value) else None
