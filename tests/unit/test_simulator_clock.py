from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from app.simulator.clock import EPOCH_SECONDS, SimulatedClock, default_start

ROOT = 1_700_000_000.25
START = default_start(ROOT)

walls = st.floats(ROOT, ROOT + 10 * 365 * 86_400)


def a_clock(**changes):
    return SimulatedClock(**{"root": ROOT, "start": START, **changes})


def test_fifteen_minutes_pass_in_a_second():
    times = [a_clock().time(ROOT + second) for second in range(7)]
    assert [START + 900 * second for second in range(7)] == times


def test_all_of_a_second_has_one_epoch():
    clock = a_clock()
    assert clock.time(ROOT + 5.0) == clock.time(ROOT + 5.99)


def test_time_before_the_root_stands_still():
    assert START == a_clock().time(ROOT - 100)


def test_simulators_that_share_root_and_start_agree_whenever_they_look():
    assert a_clock().time(ROOT + 77.7) == a_clock().epoch(77)


def test_pace_may_be_another():
    clock = a_clock(period_seconds=0.1)
    assert START + 10 * 900 == clock.time(ROOT + 1.01)


@given(walls)
def test_simulated_time_never_passes_the_wall_clock(wall):
    assert a_clock().time(wall) <= wall


@given(st.integers(0, 10**6))
def test_no_cycle_begins_before_its_epoch_or_before_the_one_ahead_of_it(cycle):
    clock = a_clock()
    assert clock.epoch(cycle) <= clock.begins_at(cycle) < clock.begins_at(cycle + 1)


def test_time_that_has_caught_up_goes_on_at_the_pace_of_the_wall_clock():
    clock = SimulatedClock(root=1e9, start=int(1e9) - 4_000)
    caught_up = [cycle for cycle in range(20) if clock.has_caught_up(cycle)]
    assert [5] == caught_up
    assert 900 == clock.begins_at(7) - clock.begins_at(6)
    assert 6 == clock.cycle_at(clock.begins_at(7) - 1)


@given(st.floats(1_400_000_000, 3_000_000_000))
def test_time_begins_on_a_monday_five_years_ago(wall):
    start = default_start(wall)
    at = datetime.fromtimestamp(start, UTC)
    assert (0, 0, 0) == (at.weekday(), at.hour, start % EPOCH_SECONDS)
    assert 5 <= (wall - start) / (365.25 * 86_400) < 5.02


def test_time_without_a_pace_begins_at_the_start():
    assert 0 == a_clock(period_seconds=0.0).cycle_at(ROOT + 1_000)
