"""Events as rows of tables: columns in, columns out, calendar fields in UTC."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from app.domain.readings import Readings
from app.sinks.base import Rows

__all__ = [
    "alert_row",
    "concatenate",
    "late_rows",
    "length",
    "maximum_row",
    "model_part_row",
    "model_row",
    "prediction_rows",
    "raw_rows",
    "weather_row",
    "window_rows",
]

DAY_SECONDS = 86_400
EPOCH_WEEKDAY = 4  # 1970-01-01 was a Thursday, and Sunday is 0


def raw_rows(readings: Readings) -> Rows:
    """Return readings as rows of `raw_data`.

    day_of_week counts as the seed did: Sunday is 0, Saturday is 6.
    """
    return {
        "line": readings.line,
        "transformer": readings.transformer,
        "usagepoint": readings.usagepoint,
        **_calendar(readings.timestamp),
        "day_of_week": (readings.timestamp // DAY_SECONDS + EPOCH_WEEKDAY) % 7,
        **readings.extra,
        "voltage": readings.voltage,
    }


def late_rows(event: Mapping[str, Any]) -> Rows:
    """Return an event of the late topic as rows of `late_readings`."""
    return {
        "line": np.array(event["line"], np.int32),
        "transformer": np.array(event["transformer"], np.int32),
        "usagepoint": np.array(event["usagepoint"], np.int32),
        **_calendar(np.array(event["timestamp"], np.int64)),
        "sequence": np.array(event["sequence"], np.int64),
        "voltage": np.array(event["voltage"], np.float32),
        "late_by": np.array(event["late_by"], np.int64),
    }


def window_rows(event: Mapping[str, Any]) -> Rows:
    """Return an event of the windows topic as rows of `windows`."""
    start = np.array(event["start"], np.int64)
    return {
        "line": np.array(event["line"], np.int32),
        **_date(start // DAY_SECONDS),
        "transformer": np.array(event["transformer"], np.int32),
        "start": start,
        "count": np.array(event["count"], np.int64),
        "minimum": np.array(event["minimum"], np.float32),
        "maximum": np.array(event["maximum"], np.float32),
        "mean": np.array(event["mean"], np.float64),
        "usagepoint": np.array(event["usagepoint"], np.int32),
        "over": np.array(event["over"], np.int64),
        "verdict": np.array(event["verdict"], object),
    }


def maximum_row(event: Mapping[str, Any]) -> Rows:
    """Return an event of the maxima topic as a row of `max_voltage`."""
    return {
        "epoch": np.array([event["epoch"]], np.int64),
        "voltage": np.array([event["voltage"]], np.float32),
    }


def weather_row(event: Mapping[str, Any]) -> Rows:
    """Return an event of the weather topic as a row of either temperature table."""
    row: dict[str, NDArray[Any]] = {
        "epoch": np.array([event["epoch"]], np.int64),
        "temperature": np.array([event["celsius"]], np.float32),
    }
    if event["kind"] == "forecast":
        row["hours"] = np.array([event["hours"]], np.int64)
    return row


def prediction_rows(event: Mapping[str, Any]) -> Rows:
    """Return an event of the predictions topic as rows of `predictions`."""
    epoch = np.array(event["epoch"], np.int64)

    def every(value: float | None, dtype: Any) -> NDArray[Any]:
        return np.full(len(epoch), np.nan if value is None else value, dtype)

    return {
        "line": np.array(event["line"], np.int32),
        **_date(epoch // DAY_SECONDS),
        "transformer": np.array(event["transformer"], np.int32),
        "epoch": epoch,
        "hours": every(event["hours"], np.int64),
        "made": every(event["made"], np.int64),
        "threshold": every(event["threshold"], np.float32),
        "temperature": every(event["temperature"], np.float32),
        "probability": np.array(event["probability"], np.float64),
        "alert": np.array(event["alert"], np.bool_),
    }


def alert_row(event: Mapping[str, Any]) -> Rows:
    """Return an event of the alerts topic as a row of `voltage_alerts`.

    What is not said by an event of its kind stays as it is, so that the order in which
    events of an alert arrive does not matter.
    """

    def one(value: float | None, dtype: Any) -> NDArray[Any]:
        return np.array([np.nan if value is None else value], dtype)

    happened = {event["event"]: event["at"]}
    return {
        "line": one(event["line"], np.int32),
        "transformer": one(event["transformer"], np.int32),
        "usagepoint": one(event["usagepoint"], np.int32),
        **_date(one(event["epoch"], np.int64) // DAY_SECONDS),
        "epoch": one(event["epoch"], np.int64),
        "kind": np.array([event["kind"]], object),
        "voltage_avg": one(event["mean"], np.float32),
        "voltage": one(event["voltage"], np.float32),
        "threshold": one(event["limit"], np.float32),
        "count": one(event["count"], np.int64),
        "over": one(event["over"], np.int64),
        "verdict": np.array([event["verdict"]], object),
        # Floats, since they may be absent; exact up to 2**53 s.
        **{
            name: one(happened.get(name), np.float64)
            for name in ("raised", "acknowledged", "cleared")
        },
        "peak": one(event.get("peak"), np.float32),
        "peak_epoch": one(event.get("peak_epoch"), np.float64),
    }


def model_row(event: Mapping[str, Any]) -> Rows:
    """Return an event of the topic of versions as a row of `models`."""
    return {
        "name": np.array([event["name"]], object),
        "version": np.array([event["version"]], np.int64),
        "made": np.array([event["made"]], np.int64),
        "parts": np.array([event["parts"]], np.int64),
        "summary": np.array([orjson.dumps(event["summary"]).decode()], object),
    }


def model_part_row(event: Mapping[str, Any]) -> Rows:
    """Return the same event as a row of `model_parts`."""
    return {
        "name": np.array([event["name"]], object),
        "version": np.array([event["version"]], np.int64),
        "part": np.array([event["part"]], np.int64),
        "state": np.array([event["state"]], object),
    }


def length(rows: Rows) -> int:
    """Return how many rows there are."""
    return len(next(iter(rows.values()))) if rows else 0


def concatenate(parts: list[Rows]) -> Rows:
    """Return the rows of all parts in their order; what a part lacks stays absent."""
    if len(parts) == 1:
        return parts[0]
    names = dict.fromkeys(name for part in parts for name in part)
    return {
        name: np.concatenate(
            [
                part[name] if name in part else np.full(length(part), np.nan, "f4")
                for part in parts
            ]
        )
        for name in names
    }


def _calendar(timestamp: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Return year to second of epoch seconds."""
    days, second = np.divmod(timestamp, DAY_SECONDS)
    return {
        **_date(days),
        "hour": second // 3_600,
        "minute": second // 60 % 60,
        "second": second % 60,
    }


def _date(days: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Return year, month and day of days since 1970-01-01."""
    date = days.astype("datetime64[D]")
    month = date.astype("datetime64[M]")
    months = month.astype(np.int64)
    return {
        "year": months // 12 + 1970,
        "month": months % 12 + 1,
        "day": (date - month).astype(np.int64) + 1,
    }
