"""Exactness of fold, apply and close, against a dictionary oracle."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.folding import Slice, fold
from app.domain.windows import LaneWindows
from tests.builders import RULES, some_readings
from tests.oracle import Oracle

BASE = 1_700_000_100  # a multiple of 900

voltages = st.floats(90.0, 140.0, width=32)
rows = st.tuples(
    st.integers(BASE - 900, BASE + 6_000),
    st.integers(11, 12),
    st.integers(1, 3),
    st.integers(1, 5),
    voltages,
)
frames_strategy = st.lists(st.lists(rows, max_size=6), min_size=1, max_size=12)


def stamped(frames):
    """Number rows as a stream does, and stamp each frame with its lane's watermark."""
    sequence, watermark, result = 0, None, []
    for frame in frames:
        numbered = []
        for row in frame:
            sequence += 1
            numbered.append((sequence, *row))
        times = [row[0] for row in frame]
        before = watermark
        watermark = max(
            [*times, *([] if watermark is None else [watermark])], default=0
        )
        result.append(
            (before, Slice(sequence, watermark, some_readings(numbered)), frame)
        )
    return result


def run(state, slices, cuts):
    """Fold slices group by group, cut where told; return the closed rows."""
    closed, late, group = [], 0, []
    for number, part in enumerate(slices):
        group.append(part)
        if number in cuts or number == len(slices) - 1:
            folded = fold(state, group)
            late += len(folded.late)
            closed += table(state.apply(folded.delta))
            group = []
    return closed, late


def table(rows):
    names = (
        "start",
        "line",
        "transformer",
        "count",
        "minimum",
        "maximum",
        "mean",
        "usagepoint",
        "over",
    )
    return list(zip(*(getattr(rows, name).tolist() for name in names), strict=True))


def expected(frames):
    oracle = Oracle(RULES.size, RULES.grace, RULES.threshold)
    for before, _, rows_of_frame in stamped(frames):
        for row in rows_of_frame:
            oracle.read(before, *row)
    return oracle


@given(frames=frames_strategy, cuts=st.sets(st.integers(0, 11)))
def test_windows_equal_the_oracle_however_frames_are_grouped(frames, cuts):
    oracle = expected(frames)
    state = LaneWindows(RULES)
    closed, late = run(state, [part for _, part, _ in stamped(frames)], cuts)
    actual = closed + table(state.rows())

    assert len(oracle.late) == late == state.late
    assert sorted(oracle.windows) == sorted(row[:3] for row in actual)
    for row in actual:
        window = oracle.windows[row[:3]]
        assert (window.count, window.minimum, window.maximum) == row[3:6]
        assert row[6] == pytest.approx(window.mean, abs=1e-6)
        assert (window.usagepoint, window.over) == row[7:]


@given(
    frames=frames_strategy,
    cuts=st.sets(st.integers(0, 11)),
    others=st.sets(st.integers(0, 11)),
)
def test_closed_rows_are_equal_to_the_letter_whatever_the_groups(frames, cuts, others):
    slices = [part for _, part, _ in stamped(frames)]
    assert run(LaneWindows(RULES), slices, cuts) == run(
        LaneWindows(RULES), slices, others
    )


@given(frames=frames_strategy, cuts=st.sets(st.integers(0, 11)))
def test_windows_close_once_and_in_order(frames, cuts):
    closed, _ = run(LaneWindows(RULES), [part for _, part, _ in stamped(frames)], cuts)
    keys = [row[:3] for row in closed]
    assert sorted(set(keys)) == keys


@given(frames=frames_strategy, again=st.lists(st.integers(0, 11), max_size=4))
def test_frames_that_come_again_change_nothing(frames, again):
    slices = [part for _, part, _ in stamped(frames)]
    repeated = slices + [slices[n] for n in again if n < len(slices)]
    once, twice = LaneWindows(RULES), LaneWindows(RULES)
    assert run(once, slices, set())[0] == run(twice, repeated, {0, 2, 5})[0]
    assert table(once.rows()) == table(twice.rows())


def test_reading_at_the_last_second_of_a_window_belongs_to_it():
    state = LaneWindows(RULES)
    readings = some_readings(
        [(1, BASE + 899, 11, 1, 1, 110.0), (2, BASE + 900, 11, 1, 1, 120.0)]
    )
    state.apply(fold(state, [Slice(2, BASE + 900, readings)]).delta)
    assert [BASE, BASE + 900] == state.rows().start.tolist()


def test_window_closes_when_the_watermark_reaches_its_end_and_grace():
    state = LaneWindows(RULES)
    first = some_readings([(1, BASE, 11, 1, 1, 110.0)])
    state.apply(fold(state, [Slice(1, BASE, first)]).delta)

    before = state.apply(fold(state, [Slice(1, BASE + 1_199, some_readings([]))]).delta)
    at = state.apply(fold(state, [Slice(1, BASE + 1_200, some_readings([]))]).delta)

    assert (0, 1) == (len(before), len(at))


def test_late_reading_is_told_by_how_much_and_leaves_its_window_alone():
    state = LaneWindows(RULES)
    state.apply(
        fold(
            state,
            [
                Slice(
                    1, BASE + 2_000, some_readings([(1, BASE + 2_000, 11, 1, 1, 110.0)])
                )
            ],
        ).delta
    )

    folded = fold(
        state, [Slice(2, BASE + 2_000, some_readings([(2, BASE, 11, 1, 1, 130.0)]))]
    )

    assert [2_000 - 1_200] == folded.late_by.tolist()
    assert (0, 1) == (folded.delta.counted, folded.delta.late)
