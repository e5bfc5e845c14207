"""What leaves as JSON or CSV is exact, and can be read back to the same windows."""

import csv
import io

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st

from agents.windows import _closed
from app.domain.standards import profile
from app.domain.windows import COLUMNS, WindowRows
from app.views.presentation import (
    csv_text,
    encode,
    iso_time,
    objects_of,
    published_rows,
    read_selection,
    window_columns,
)
from app.views.selection import Selection
from app.wire.events import decode_event
from tests.fake_worker import FIRST_START, FakeWorker, windows_of

SEED = profile("seed")


def a_selection(rows, *, is_open=True):
    return Selection(
        rows=rows, is_open=np.full(len(rows), is_open), matched=len(rows) + 5
    )


def same(expected, actual):
    return all(
        np.array_equal(getattr(expected, name), getattr(actual, name))
        and getattr(expected, name).dtype == getattr(actual, name).dtype
        for name in COLUMNS
    )


volts = st.floats(1, 1_000, width=32)
windows = st.lists(
    st.tuples(
        st.integers(0, 2**31 - 1),
        st.integers(0, 2**31 - 1),
        st.integers(1, 1_000_000),
        volts,
        volts,
        volts,
        st.integers(0, 2**31 - 1),
        st.integers(0, 1_000_000),
    ),
    max_size=20,
    unique_by=lambda window: window[:2],
).map(lambda rows: windows_of(FIRST_START, *rows))


@given(windows)
def test_what_a_worker_sends_is_read_back_to_the_last_bit(rows):
    columns = orjson.loads(encode(window_columns(a_selection(rows), SEED)))
    selection = read_selection(columns, 7)
    assert same(rows, selection.rows)
    assert selection.is_open.all()
    assert 7 == selection.matched


@given(windows)
def test_what_the_windows_agent_publishes_is_read_back_to_the_last_bit(rows):
    state = FakeWorker().states[0]
    parts = [
        published_rows(decode_event(value)) for _, _, value in _closed(0, state, rows)
    ]
    assert same(rows, WindowRows.concatenate(parts))


def test_voltages_show_the_digits_that_were_measured():
    rows = windows_of(FIRST_START, (11, 3, 2, 112.23, 114.5, 116.77, 9, 1))
    (window,) = objects_of(window_columns(a_selection(rows), SEED))
    assert (
        b'{"line":11,"transformer":3,"window_start_epoch_seconds":1479513600,'
        b'"readings_count":2,"minimum_volts":112.23,"mean_volts":114.5,'
        b'"maximum_volts":116.77,"maximum_usage_point":9,'
        b'"readings_over_threshold":1,"state":"open","verdict":"too_high"}'
    ) == encode(window)


def test_csv_has_a_header_readable_times_and_the_same_digits():
    rows = windows_of(FIRST_START, (11, 3, 2, 112.23, 114.5, 116.77, 9, 1))
    text = csv_text(window_columns(a_selection(rows, is_open=False), SEED))
    (window,) = csv.DictReader(io.StringIO(text))
    assert "2016-11-19T00:00:00Z" == window["window_start_utc"]
    assert ("112.23", "114.5", "116.77") == (
        window["minimum_volts"],
        window["mean_volts"],
        window["maximum_volts"],
    )
    assert ("closed", "too_high") == (window["state"], window["verdict"])


def test_csv_of_nothing_is_a_header():
    text = csv_text(window_columns(a_selection(windows_of(FIRST_START)), SEED))
    assert 1 == len(text.splitlines())


def test_times_are_utc():
    assert "1970-01-01T00:00:00Z" == iso_time(0)
