"""The windows that closed last: complete by start, each once, bounded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.recent import RecentWindows
from app.domain.windows import WindowRows


def some_rows(*windows):
    """Rows of (start, key, maximum), everything else made up."""
    size = len(windows)
    start, key, maximum = zip(*windows, strict=True) if windows else ((), (), ())
    return WindowRows(
        start=np.array(start, np.int64),
        key=np.array(key, np.int64),
        count=np.ones(size, np.int64),
        minimum=np.full(size, 110, np.float32),
        maximum=np.array(maximum, np.float32),
        total=np.ones(size, np.int64),
        usagepoint=np.ones(size, np.int32),
        over=np.zeros(size, np.int64),
    )


def known(recent):
    return [
        (start, int(key), float(maximum))
        for start in recent.starts
        for key, maximum in zip(
            recent.rows(start).key, recent.rows(start).maximum, strict=True
        )
    ]


def test_nothing_has_closed_at_first():
    recent = RecentWindows()
    recent.add(some_rows())
    assert [] == recent.starts
    assert 0 == len(recent)
    assert 0 == len(recent.rows(900))


def test_rows_are_kept_by_start_and_sorted_by_key():
    recent = RecentWindows()
    recent.add(some_rows((0, 7, 117), (900, 1, 115), (900, 2, 116)))
    recent.add(some_rows((900, 0, 114)))
    assert [(0, 7, 117), (900, 0, 114), (900, 1, 115), (900, 2, 116)] == known(recent)
    assert 4 == len(recent)


def test_a_window_that_closes_again_is_there_once_with_its_last_values():
    recent = RecentWindows()
    recent.add(some_rows((0, 1, 115), (0, 2, 116)))
    recent.add(some_rows((0, 1, 118)))
    assert [(0, 1, 118), (0, 2, 116)] == known(recent)
    assert 2 == len(recent)


def test_a_backfill_never_replaces_what_closed_since():
    recent = RecentWindows()
    recent.add(some_rows((900, 1, 118)))
    assert recent.backfill(some_rows((0, 1, 111), (900, 1, 112), (900, 2, 113)))
    assert [(0, 1, 111), (900, 1, 118), (900, 2, 113)] == known(recent)


def test_the_oldest_start_goes_when_there_are_too_many():
    recent = RecentWindows(starts_max=2)
    recent.add(some_rows((0, 1, 111), (900, 1, 112), (1800, 1, 113)))
    assert [900, 1800] == recent.starts
    assert not recent.backfill(some_rows((0, 1, 111)))
    assert [900, 1800] == recent.starts


def test_the_newest_start_stays_whatever_its_size():
    recent = RecentWindows(rows_max=2)
    recent.add(some_rows((0, 1, 111), (900, 1, 112), (900, 2, 113), (900, 3, 114)))
    assert [900] == recent.starts
    assert 3 == len(recent)


def test_the_maximum_of_a_start_is_over_all_its_parts():
    recent = RecentWindows()
    recent.add(some_rows((0, 1, 111), (0, 2, 119)))
    recent.add(some_rows((0, 3, 113)))
    assert 119 == recent.maximum(0)


@given(
    st.lists(
        st.lists(
            st.tuples(
                st.integers(0, 3).map(lambda n: n * 900),
                st.integers(0, 5),
                st.integers(100, 130),
            ),
            unique_by=lambda row: row[:2],
        ).map(sorted),
        max_size=6,
    )
)
def test_whatever_closes_in_whatever_order_the_last_value_of_each_window_is_known(adds):
    recent = RecentWindows()
    expected = {}
    for rows in adds:
        recent.add(some_rows(*rows))
        assert len(recent.everything) >= len(rows)
        expected |= {(start, key): maximum for start, key, maximum in rows}
    windows = sorted((*window, volts) for window, volts in expected.items())
    assert windows == known(recent)
    everything = recent.everything
    assert windows == [
        *zip(
            everything.start.tolist(),
            everything.key.tolist(),
            everything.maximum.tolist(),
            strict=True,
        )
    ]
    assert len(expected) == len(recent)


@pytest.mark.parametrize("starts_max", [1, 8])
def test_the_number_of_starts_is_bounded(starts_max):
    recent = RecentWindows(starts_max=starts_max)
    for number in range(20):
        recent.add(some_rows((number * 900, 1, 115)))
    assert starts_max == len(recent.starts)
    assert 19 * 900 == recent.starts[-1]
