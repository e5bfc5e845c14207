"""The first windows in any order, whatever the limit, equal those of a plain sort."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.views import selection
from app.views.presentation import objects_of, window_columns
from app.views.selection import SORT_COLUMNS, Query, merge, select
from tests.fake_worker import FIRST_START, FakeWorker, windows_of

SIZE = 900
VERDICTS = ("normal", "low", "high", "too_low", "too_high", "invalid")


def chosen(fake, query):
    worker = fake.worker
    parts = [select(state, query, worker.profile) for state in fake.states.values()]
    found = merge(list(itertools.chain(*parts)), query, worker.profile)
    return objects_of(window_columns(found, worker.profile)), found.matched


def everything(fake):
    query = Query(limit=1_000_000)
    return chosen(fake, query)[0]


def plainly(windows, query):
    def matches(window):
        return (
            query.state in ("all", window["state"])
            and query.line in (None, window["line"])
            and query.transformer in (None, window["transformer"])
        )

    def rank(window):
        value = {
            "window_start": window["window_start_epoch_seconds"],
            "line": (window["line"] << 32) + window["transformer"],
            "state": window["state"] == "open",
            "verdict": VERDICTS.index(window["verdict"]),
        }.get(query.sort)
        value = window[query.sort] if value is None else value
        return (
            -value if query.descending else value,
            -window["window_start_epoch_seconds"],
            window["line"],
            window["transformer"],
        )

    matching = [window for window in windows if matches(window)]
    return sorted(matching, key=rank)[: query.limit], len(matching)


@pytest.fixture(scope="module", params=[0, selection.COPIED_ROWS_MAX])
def fake(request):
    """A worker of many windows, of which a lane's are chosen first or all copied."""
    fake = FakeWorker()
    fake.fill(transformers=24, starts=40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "COPIED_ROWS_MAX", request.param)
        yield fake


def test_windows_are_open_until_the_watermark_has_passed_their_end_and_grace(fake):
    states = {
        window["window_start_epoch_seconds"]: window["state"]
        for window in everything(fake)
    }
    assert 40 == len(states)
    opened = sorted(start for start, state in states.items() if state == "open")
    assert [FIRST_START + 38 * SIZE, FIRST_START + 39 * SIZE] == opened


@settings(max_examples=60, deadline=None)
@given(
    query=st.builds(
        Query,
        state=st.sampled_from(["open", "closed", "all"]),
        line=st.sampled_from([None, 11, 12, 99]),
        transformer=st.sampled_from([None, 1, 7, 99]),
        sort=st.sampled_from(SORT_COLUMNS),
        descending=st.booleans(),
        limit=st.sampled_from([1, 3, 39, 500, 10_000]),
    )
)
def test_the_first_windows_equal_those_of_a_plain_sort(fake, query):
    expected, matched = plainly(everything(fake), query)
    actual, counted = chosen(fake, query)
    assert matched == counted
    assert expected == actual


def test_ties_at_the_limit_are_broken_by_start_line_and_transformer():
    fake = FakeWorker(owned=[0])
    rows = [(line, t, 1, 110, 110, 110, 1, 0) for line in (12, 11) for t in (3, 1, 2)]
    fake.add(0, windows_of(FIRST_START, *rows), watermark=FIRST_START)
    windows, matched = chosen(fake, Query(sort="maximum_volts", limit=4))
    assert 6 == matched
    assert [(11, 1), (11, 2), (11, 3), (12, 1)] == [
        (window["line"], window["transformer"]) for window in windows
    ]


def test_a_worker_without_windows_has_nothing_to_show():
    assert ([], 0) == chosen(FakeWorker(), Query())
