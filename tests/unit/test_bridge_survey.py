"""What a look at the bridges says, in one line."""

from dataclasses import replace

import pytest

from bridge.roster import Member, Roster
from bridge.survey import (
    Survey,
    trouble_of_bridges,
    trouble_of_lanes,
    trouble_of_stream,
)


def a_survey(*, beat=1, owners=None, waiting=0, carried=0, stored=0):
    return Survey(
        stream=True,
        stored=stored,
        stored_max=1_000,
        waiting=dict.fromkeys(range(2), waiting),
        carried=dict.fromkeys(range(2), carried),
        roster=Roster(
            members={"a": Member(life="1", beat=beat)},
            owners={0: "a", 1: "a"} if owners is None else owners,
        ),
    )


def test_road_on_which_all_moves_has_no_trouble():
    before, after = (
        a_survey(waiting=9, carried=1),
        a_survey(beat=2, waiting=9, carried=2),
    )
    assert "" == trouble_of_stream(after)
    assert "" == trouble_of_bridges(before, after, 2)
    assert "" == trouble_of_lanes(before, after)


def test_full_stream_is_named():
    assert "full" in trouble_of_stream(a_survey(stored=990))
    assert "no stream" in trouble_of_stream(replace(a_survey(), stream=False))


def test_bridge_whose_beat_stands_still_does_not_count():
    assert "no bridge runs" in trouble_of_bridges(a_survey(), a_survey(), 2)


@pytest.mark.parametrize("owners", [{0: "a"}, {0: "a", 1: "gone"}])
def test_lane_without_a_living_owner_is_named(owners):
    after = a_survey(beat=2, owners=owners)
    assert "lanes [1]" in trouble_of_bridges(a_survey(), after, 2)


def test_lane_that_does_not_move_is_named_and_one_that_has_just_filled_is_not():
    stuck = a_survey(waiting=9, carried=5)
    assert "0 (9), 1 (9)" in trouble_of_lanes(stuck, stuck)
    assert "" == trouble_of_lanes(a_survey(carried=5), stuck)
