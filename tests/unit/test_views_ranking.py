"""What stands out among windows equals a plain count over them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.windows import WindowRows
from app.views.presentation import objects_of
from app.views.ranking import (
    RANKINGS,
    Ranking,
    last_windows,
    merge_ranked,
    rank,
)
from tests.fake_worker import FIRST_START, FakeWorker, windows_of

THRESHOLD = 116.0
volts = st.sampled_from([110.0, 113.5, 116.0, 116.5, 120.0])


def plainly(windows, ranking):
    """windows: (start, line, transformer, count, min, mean, max, at, over)."""
    found = {}
    for start, line, transformer, count, low, _, high, at, over in sorted(windows):
        one = found.setdefault(
            (line, transformer),
            {"high": (0.0, 0, 0), "low": 1e9, "over": 0, "windows": 0, "w_over": 0},
        )
        one["high"] = max(one["high"], (high, -start, at))
        one["low"] = min(one["low"], low)
        one["over"] += over
        one["windows"] += 1
        one["w_over"] += high > THRESHOLD
        one["count"] = one.get("count", 0) + count
    value = {
        "maximum_volts": lambda one: -one["high"][0],
        "minimum_volts": lambda one: one["low"],
        "readings_over_threshold": lambda one: -one["over"],
    }[ranking.by]
    order = sorted(found, key=lambda key: (value(found[key]), key))
    return [(key, found[key]) for key in order[: ranking.limit]], len(found)


@settings(max_examples=100, deadline=None)
@given(
    windows=st.lists(
        st.tuples(
            st.integers(0, 3).map(lambda n: FIRST_START + n * 900),
            st.integers(11, 12),
            st.integers(1, 4),
            st.integers(1, 9),
            volts,
            st.just(114.0),
            volts,
            st.integers(1, 5),
            st.integers(0, 5),
        ),
        unique_by=lambda window: window[:3],
        max_size=20,
    ),
    by=st.sampled_from(RANKINGS),
    limit=st.integers(1, 9),
    cut=st.integers(11, 13),
)
def test_ranking_equals_a_plain_count_however_lanes_share_it(windows, by, limit, cut):
    ranking = Ranking(by=by, limit=limit)
    rows = WindowRows.concatenate([windows_of(w[0], w[1:]) for w in sorted(windows)])
    shares = [rows.take(rows.line < cut), rows.take(rows.line >= cut)]
    ranked = merge_ranked(
        [rank([share], ranking, THRESHOLD) for share in shares], ranking
    )
    expected, transformers = plainly(windows, ranking)
    assert transformers == ranked.transformers
    actual = objects_of(ranked.columns)
    assert [key for key, _ in expected] == [
        (one["line"], one["transformer"]) for one in actual
    ]
    for (_, plain), one in zip(expected, actual, strict=True):
        assert plain["high"][0] == one["maximum_volts"]
        assert (plain["low"], plain["over"], plain["count"]) == (
            one["minimum_volts"],
            one["readings_over_threshold"],
            one["readings_count"],
        )
        assert (plain["windows"], plain["w_over"]) == (
            one["windows_count"],
            one["windows_over_threshold"],
        )


@pytest.mark.parametrize(("starts", "expected"), [(1, [39]), (3, [37, 38, 39])])
def test_the_last_windows_are_the_newest_starts_open_or_closed(starts, expected):
    fake = FakeWorker()
    fake.fill(transformers=24, starts=40)
    rows = last_windows(fake.states[0], starts)
    assert [FIRST_START + n * 900 for n in expected] == np.unique(rows.start).tolist()


def test_the_last_windows_are_a_copy():
    fake = FakeWorker()
    fake.fill(transformers=24, starts=2)
    rows = last_windows(fake.states[0], 1)
    before = rows.maximum.copy()
    fake.fill(transformers=24, starts=2, seed=9)
    assert (before == rows.maximum).all()
