"""What doctor says of a stage whose workers come and go."""

import pytest

from app.cli.group import Lag, Member
from app.cli.stages import Look, verdict
from app.errors import HopFailed

FIRST, SECOND = "http://127.0.0.1:6066", "http://127.0.0.1:6067"
READINGS = "smartmeter.readings"
ROWS = {
    SECOND: {
        "name": "worker-2",
        "state": "ended; starts in 2 s",
        "restarts": 0,
        "up_seconds": None,
    }
}
STARTED = {
    SECOND: {"name": "worker-2", "state": "starting", "restarts": 1, "up_seconds": 3.0}
}


def a_look(*waiting, silent=(), owners=(FIRST, FIRST, SECOND, SECOND), moved=0):
    lanes = {
        url: [n for n, owner in enumerate(owners) if owner == url] for url in owners
    }
    return Look(
        members=[
            Member(url=url, host="127.0.0.1", partitions={READINGS: partitions})
            for url, partitions in lanes.items()
            if url
        ],
        lags=[
            Lag(topic=READINGS, partition=n, end=100 + moved, committed=100 + moved - w)
            for n, w in enumerate(waiting)
        ],
        silent=frozenset(silent),
    )


def said(before, after, rows=None):
    return verdict("live", before, after, rows=rows or {}, takeover_seconds=10.0)


def failure(before, after, rows=None):
    with pytest.raises(HopFailed) as caught:
        said(before, after, rows)
    return str(caught.value)


def stood_still(*waiting, **more):
    """Return a second look at which nothing was committed, and more waits."""
    look = a_look(*waiting, **more)
    lags = [
        Lag(topic=READINGS, partition=n, end=100 + w, committed=100)
        for n, w in enumerate(waiting)
    ]
    return Look(members=look.members, lags=lags, silent=look.silent)


def test_work_that_moves_is_well():
    found = said(a_look(1, 0, 2, 1), a_look(1, 1, 2, 3, moved=50))
    assert "2 at work, 7 frames behind" == found


def test_no_worker_at_all_is_said_with_what_starts_one():
    nobody = Look(members=[], lags=[])
    assert "no live worker runs: start one (`smartmeter worker`)" == failure(
        nobody, nobody
    )


def test_worker_that_is_away_is_named_with_its_lanes_and_what_happens_next():
    before = stood_still(0, 0, 3, 2, silent=[SECOND])
    after = stood_still(1, 0, 30, 20, silent=[SECOND])
    assert failure(before, after, ROWS) == (
        "worker-2 (http://127.0.0.1:6067) is away, and lanes 2, 3 wait (50 frames):"
        " the run starts it by itself again (ended; starts in 2 s), and it goes on"
        " where it was; `smartmeter logs worker-2 --former` says why; if it"
        " does not come back, the others take its lanes 10 s after its end"
    )
    assert (
        "http://127.0.0.1:6067 is away, and lanes 2, 3 wait (50 frames): start it again"
        " (`smartmeter worker`)"
    ) in failure(before, after)


def test_worker_out_of_reach_whose_lanes_move_is_well():
    """Doctor may run where the workers' web views cannot be reached."""
    far = [FIRST, SECOND]
    found = said(a_look(1, 1, 1, 1, silent=far), a_look(silent=far))
    assert "2 at work, 0 frames behind" == found


def test_worker_that_came_back_between_the_looks_is_mentioned():
    before = a_look(0, 0, 3, 2, silent=[SECOND])
    found = said(before, a_look(0, 0, 1, 1, moved=30), ROWS)
    assert found == (
        "2 at work, 2 frames behind; worker-2 (http://127.0.0.1:6067) was away and is"
        " back"
    )


def test_lanes_that_nobody_has_are_named():
    owners = (FIRST, FIRST, "", "")
    before = stood_still(0, 0, 3, 0, owners=owners)
    after = stood_still(0, 0, 30, 0, owners=owners)
    assert failure(before, after).startswith(
        "lane 2 waits (30 frames): no worker has them, they are being shared out"
    )


def test_worker_that_is_there_and_stands_still_is_named():
    before, after = stood_still(0, 0, 0, 2), stood_still(0, 0, 0, 9)
    assert failure(before, after).startswith(
        "http://127.0.0.1:6067 is there, but lane 3 waits (9 frames) and nothing moves"
    )


def test_worker_that_is_being_started_again_is_said_to_go_on():
    before, after = stood_still(0, 0, 0, 2), stood_still(0, 0, 0, 9)
    assert failure(before, after, STARTED) == (
        "worker-2 (http://127.0.0.1:6067) has ended and is being started again, and"
        " lane 3 waits (9 frames): it goes on where it was within seconds;"
        " `smartmeter logs worker-2 --former` says why"
    )


def test_worker_that_was_started_again_of_late_is_mentioned():
    now = {SECOND: STARTED[SECOND] | {"state": "running", "up_seconds": 12.2}}
    found = said(a_look(1, 0, 2, 1), a_look(1, 1, 2, 3, moved=50), now)
    assert found == (
        "2 at work, 7 frames behind; worker-2 was started again once, 12 s ago"
        " (`smartmeter logs worker-2 --former` says why)"
    )
