"""Builders of rows for the tests of sinks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.sinks.tables import RAW_DATA, Kind

__all__ = ["a_raw_row", "raw_columns"]


def a_raw_row(**values: Any) -> dict[str, Any]:
    """Return a row of raw_data; what is not given is as the seed's first row."""
    row: dict[str, Any] = {
        "line": 11,
        "transformer": 1,
        "usagepoint": 1,
        "year": 2026,
        "month": 3,
        "day": 17,
        "hour": 6,
        "minute": 45,
        "second": 0,
        "day_of_week": 2,
        "demand": 100.0,
        "voltage": 117.5,
        **{f"val{number}": float(number) for number in range(3, 13)},
    }
    assert values.keys() <= row.keys()
    return row | values


def raw_columns(rows: list[dict[str, Any]]) -> dict[str, NDArray[Any]]:
    """Return rows of raw_data as columns."""
    return {
        name: np.array(
            [row[name] for row in rows], np.int64 if kind is Kind.INT else np.float32
        )
        for name, kind in RAW_DATA.columns.items()
    }
