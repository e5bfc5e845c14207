"""Windows as JSON and CSV for whoever reads them, with units in the names.

Minimum and maximum are float32, as meters send them, and are written with the fewest
digits that give the same float32 back; the mean is float64.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from app.domain.standards import Profile
from app.domain.windows import MICROVOLTS, WindowRows, pack_keys
from app.views.selection import Selection

__all__ = [
    "Columns",
    "csv_text",
    "encode",
    "iso_time",
    "objects_of",
    "published_rows",
    "read_selection",
    "window_columns",
]

Columns = Mapping[str, Any]


def encode(value: Any) -> bytes:
    """Return a value, NumPy arrays and scalars included, as JSON."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def iso_time(epoch_seconds: int) -> str:
    """Return a moment as people and spreadsheets read it.

    >>> iso_time(1479537000)
    '2016-11-19T06:30:00Z'
    """
    return datetime.fromtimestamp(epoch_seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def window_columns(selection: Selection, profile: Profile) -> dict[str, Any]:
    """Return a selection as columns of one length."""
    rows = selection.rows
    return {
        "line": rows.line,
        "transformer": rows.transformer,
        "window_start_epoch_seconds": rows.start,
        "readings_count": rows.count,
        "minimum_volts": rows.minimum,
        "mean_volts": rows.mean,
        "maximum_volts": rows.maximum,
        "maximum_usage_point": rows.usagepoint,
        "readings_over_threshold": rows.over,
        "state": np.where(selection.is_open, "open", "closed").tolist(),
        "verdict": profile.verdicts(rows.minimum, rows.maximum, rows.mean),
    }


def objects_of(columns: Columns) -> list[dict[str, Any]]:
    """Return columns as one object a row."""
    names = list(columns)
    return [
        dict(zip(names, row, strict=True))
        for row in zip(*columns.values(), strict=True)
    ]


def csv_text(columns: Columns) -> str:
    """Return columns as CSV with a header; times as people read them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    shown = dict(columns)
    starts = shown.pop("window_start_epoch_seconds")
    writer.writerow(["window_start_utc", *shown])
    times = (iso_time(start) for start in starts.tolist())
    writer.writerows(zip(times, *map(_digits, shown.values()), strict=True))
    return text.getvalue()


def _digits(column: Sequence[Any] | NDArray[Any]) -> Sequence[Any]:
    # A float32 that became a Python float would show digits that nobody measured.
    if isinstance(column, np.ndarray) and column.dtype == np.float32:
        return [str(value) for value in column]
    return column.tolist() if isinstance(column, np.ndarray) else column


def read_selection(columns: Columns, matched: int) -> Selection:
    """Return the selection that a worker sent as columns.

    Raises:
        KeyError, TypeError, ValueError: The columns are not what this build sends.
    """
    rows = _rows(
        start=columns["window_start_epoch_seconds"],
        line=columns["line"],
        transformer=columns["transformer"],
        count=columns["readings_count"],
        minimum=columns["minimum_volts"],
        maximum=columns["maximum_volts"],
        mean=columns["mean_volts"],
        usagepoint=columns["maximum_usage_point"],
        over=columns["readings_over_threshold"],
    )
    is_open = np.array([state == "open" for state in columns["state"]], np.bool_)
    return Selection(rows=rows, is_open=is_open, matched=matched)


def published_rows(event: Columns) -> WindowRows:
    """Return the windows of an event of the topic of closed windows.

    Raises:
        KeyError, TypeError, ValueError: The event has not their columns.
    """
    return _rows(
        start=event["start"],
        line=event["line"],
        transformer=event["transformer"],
        count=event["count"],
        minimum=event["minimum"],
        maximum=event["maximum"],
        mean=event["mean"],
        usagepoint=event["usagepoint"],
        over=event["over"],
    )


def _rows(
    *,
    start: Sequence[int],
    line: Sequence[int],
    transformer: Sequence[int],
    count: Sequence[int],
    minimum: Sequence[float],
    maximum: Sequence[float],
    mean: Sequence[float],
    usagepoint: Sequence[int],
    over: Sequence[int],
) -> WindowRows:
    counts = np.array(count, np.int64)
    # A mean is a whole number of microvolts over a count: the product is that number,
    # but for less than half a microvolt of rounding, up to 10^9 volts in all.
    total = np.rint(np.array(mean, np.float64) * counts * MICROVOLTS).astype(np.int64)
    return WindowRows(
        start=np.array(start, np.int64),
        key=pack_keys(np.array(line, np.int32), np.array(transformer, np.int32)),
        count=counts,
        minimum=np.array(minimum, np.float32),
        maximum=np.array(maximum, np.float32),
        total=total,
        usagepoint=np.array(usagepoint, np.int32),
        over=np.array(over, np.int64),
    )
