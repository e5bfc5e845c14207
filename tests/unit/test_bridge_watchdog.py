"""Only work that waits and does not move, while all answers, fails /live."""

import pytest

from bridge.watchdog import Watchdog

SECONDS = 120


@pytest.fixture
def now():
    return [1_000.0]


@pytest.fixture
def watchdog(now):
    return Watchdog(SECONDS, clock=lambda: now[0])


def test_lane_that_waits_and_does_not_move_is_told(watchdog, now):
    watchdog.look({0, 1}, {0: 5, 1: 9}, {0: 40, 1: 50})
    now[0] += SECONDS - 1
    watchdog.look({0, 1}, {0: 6, 1: 9}, {0: 40, 1: 51})
    assert "" == watchdog.trouble
    now[0] += 1
    watchdog.look({0, 1}, {0: 7, 1: 9}, {0: 40, 1: 52})
    assert "lane 0: 7 messages wait, none was carried for 120 s" == watchdog.trouble


def test_progress_ends_the_trouble(watchdog, now):
    watchdog.look({0}, {0: 5}, {0: 40})
    now[0] += SECONDS
    watchdog.look({0}, {0: 5}, {0: 40})
    assert watchdog.trouble
    watchdog.look({0}, {0: 4}, {0: 41})
    assert "" == watchdog.trouble


def test_lane_that_was_idle_is_not_stuck_with_its_first_message(watchdog, now):
    watchdog.look({0}, {0: 0}, {0: 40})
    now[0] += 10 * SECONDS
    watchdog.look({0}, {0: 1}, {0: 40})
    assert "" == watchdog.trouble


def test_outage_of_a_server_is_no_stall_and_the_time_of_it_does_not_count(
    watchdog, now
):
    watchdog.look({0}, {0: 5}, {0: 40})
    now[0] += SECONDS
    watchdog.look({0}, {0: 5}, {0: 40})
    watchdog.excuse()
    assert "" == watchdog.trouble
    now[0] += SECONDS
    watchdog.look({0}, {0: 5}, {0: 40})
    assert "" == watchdog.trouble


def test_lanes_of_other_bridges_do_not_count(watchdog, now):
    watchdog.look({0}, {0: 0, 1: 5}, {0: 40, 1: 50})
    now[0] += SECONDS
    watchdog.look({0}, {0: 0, 1: 5}, {0: 40, 1: 50})
    assert "" == watchdog.trouble


def test_lane_that_moved_to_another_bridge_and_back_begins_anew(watchdog, now):
    watchdog.look({0}, {0: 5}, {0: 40})
    watchdog.look(set(), {0: 5}, {0: 40})
    now[0] += SECONDS
    watchdog.look({0}, {0: 5}, {0: 40})
    assert "" == watchdog.trouble
