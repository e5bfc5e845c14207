"""Events become rows; calendar fields are those of the standard library."""

import math
from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.domain.readings import Readings
from app.sinks import rows
from app.sinks.tables import PREDICTIONS, RAW_DATA, TABLES, WINDOWS


def readings(timestamps, **extra):
    count = len(timestamps)
    return Readings(
        sequence=np.arange(count),
        timestamp=np.array(timestamps, np.int64),
        line=np.full(count, 11, np.int32),
        transformer=np.full(count, 2, np.int32),
        usagepoint=np.arange(1, count + 1, dtype=np.int32),
        voltage=np.full(count, 117.5, np.float32),
        extra={name: np.array(column, np.float32) for name, column in extra.items()},
    )


@given(st.lists(st.integers(0, 4_102_444_800), min_size=1, max_size=20))
def test_calendar_fields_are_utc(timestamps):
    raw = rows.raw_rows(readings(timestamps))
    for place, timestamp in enumerate(timestamps):
        moment = datetime.fromtimestamp(timestamp, UTC)
        expected = [
            *moment.timetuple()[:6],
            moment.isoweekday() % 7,  # Sunday is 0, Saturday is 6
        ]
        names = ("year", "month", "day", "hour", "minute", "second", "day_of_week")
        assert expected == [raw[name][place] for name in names]


def test_raw_rows_hold_the_columns_that_the_frame_has():
    raw = rows.raw_rows(readings([900], demand=[4.5], val3=[3.25]))
    assert (4.5, 3.25) == (raw["demand"][0], raw["val3"][0])
    assert "val4" not in raw
    assert raw.keys() <= RAW_DATA.columns.keys()


def test_parts_with_other_columns_are_put_together():
    joined = rows.concatenate(
        [
            rows.raw_rows(readings([900, 1800], demand=[1, 2])),
            rows.raw_rows(readings([2700])),
        ]
    )
    assert 3 == rows.length(joined)
    assert [1.0, 2.0] == joined["demand"].tolist()[:2]
    assert math.isnan(joined["demand"][2])


def test_window_event_becomes_rows():
    event = {
        "v": 1, "lane": 3, "watermark": 5, "start": [1_700_000_100, 1_700_001_000],
        "line": [11, 12], "transformer": [1, 2], "count": [3, 4],
        "minimum": [110.0, 111.0], "maximum": [118.0, 119.0], "mean": [114.5, 115.5],
        "usagepoint": [7, 8], "over": [1, 2], "verdict": ["normal", "over"],
    }  # fmt: skip
    window = rows.window_rows(event)
    assert WINDOWS.columns.keys() == window.keys()
    assert [2023, 11, 14] == [int(window[n][0]) for n in ("year", "month", "day")]
    assert ["normal", "over"] == list(window["verdict"])


def test_prediction_event_becomes_rows_and_its_unknown_temperature_is_absent():
    event = {
        "v": 1, "lane": 3, "made": 900, "hours": 12, "threshold": 116.0,
        "temperature": None, "epoch": [44_100, 45_000], "line": [11, 11],
        "transformer": [1, 2], "probability": [0.25, 0.75], "alert": [False, True],
    }  # fmt: skip
    predictions = rows.prediction_rows(event)
    assert PREDICTIONS.columns.keys() == predictions.keys()
    assert np.isnan(predictions["temperature"]).all()
    assert [False, True] == predictions["alert"].tolist()


def test_weather_events_become_rows_of_their_tables():
    event = {"v": 1, "kind": "temperature", "epoch": 900, "celsius": -3.5, "hours": 0}
    assert {"epoch", "temperature"} == rows.weather_row(event).keys()
    ahead = rows.weather_row(event | {"kind": "forecast", "hours": 12})
    assert {"epoch", "hours", "temperature"} == ahead.keys()


def test_every_key_column_is_a_column():
    for table in TABLES:
        assert set(table.key) <= table.columns.keys()
