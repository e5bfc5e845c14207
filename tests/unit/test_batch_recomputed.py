"""Windows of a day from raw rows are the oracle's, in whatever pages they come."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.batch.recomputed import Day
from tests.oracle import Oracle

BEGIN = 1_700_006_400  # 2023-11-15
KEY = (11, 3, 2023, 11, 15)
SIZE, THRESHOLD = 900, 116.0

readings = st.lists(
    st.tuples(
        st.integers(0, 86_399),
        st.integers(1, 4),
        st.sampled_from([115.5, 116.0, 116.25, 117.0, 118.5]),
        st.booleans(),
    ),
    unique_by=lambda r: r[:2],
    max_size=60,
)


def page(rows):
    seconds = np.array([row[0] for row in rows], np.int32)
    return {
        "usagepoint": np.array([row[1] for row in rows], np.int32),
        "hour": seconds // 3_600,
        "minute": seconds // 60 % 60,
        "second": seconds % 60,
        "voltage": np.array([row[2] for row in rows], np.float32),
    }


@given(rows=readings, cut=st.integers(0, 60))
def test_windows_are_the_oracles_without_late_readings(rows, cut):
    oracle = Oracle(SIZE, 0, THRESHOLD)
    for second, usagepoint, voltage, is_late in rows:
        if not is_late:
            oracle.read(None, BEGIN + second, 11, 3, usagepoint, voltage)
    late = [page([row for row in rows if row[3]])]
    day = Day(KEY, SIZE, THRESHOLD)

    excluded = sum(day.add(page(part), late) for part in (rows[:cut], rows[cut:]))

    assert sum(row[3] for row in rows) == excluded
    found = {(start, 11, 3): window for start, window in day.windows()}
    assert oracle.windows.keys() == found.keys()
    for key, expected in oracle.windows.items():
        names = ("count", "minimum", "maximum", "usagepoint", "over")
        assert {n: getattr(expected, n) for n in names} == {
            n: found[key][n] for n in names
        }
        assert expected.mean == pytest.approx(found[key]["mean"])
