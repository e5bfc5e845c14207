"""Lanes are shared out evenly, with few changes, and only to who may have them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.roster import Member, Roster, RosterUnreadable, shared_out

NAMES = "abcdef"

members = st.sets(st.sampled_from(NAMES), max_size=6).map(
    lambda names: {name: Member(life=name) for name in names}
)
owners = st.dictionaries(st.integers(0, 15), st.sampled_from(NAMES))


@given(members, owners, st.integers(1, 16))
def test_shares_differ_by_one_lane_at_most_and_hold_every_lane(given, owned, lanes):
    shares = shared_out(Roster(members=given, owners=owned), range(lanes))
    assert (list(range(lanes)) if given else []) == list(shares)
    counts = [list(shares.values()).count(name) for name in given]
    assert not given or max(counts) - min(counts) <= 1


@given(members, owners)
def test_what_is_shared_out_stays_shared_out(given, owned):
    once = shared_out(Roster(members=given, owners=owned), range(16))
    assert once == shared_out(Roster(members=given, owners=once), range(16))


@given(st.permutations(NAMES), owners)
def test_all_bridges_come_to_the_same_result(order, owned):
    alike = [
        Roster(members={name: Member(life=name) for name in names}, owners=owned)
        for names in (NAMES, order)
    ]
    first, second = (shared_out(roster, range(16)) for roster in alike)
    assert first == second


def test_newcomer_gets_only_what_makes_shares_even():
    owned = {lane: "ab"[lane % 2] for lane in range(8)}
    given = {name: Member(life=name) for name in "abc"}
    shares = shared_out(Roster(members=given, owners=owned), range(8))
    moved = [lane for lane in owned if shares[lane] != owned[lane]]
    assert (2, {"c"}) == (len(moved), {shares[lane] for lane in moved})


@given(
    st.dictionaries(st.sampled_from(NAMES), st.frozensets(st.integers(0, 7))), owners
)
def test_lane_goes_only_to_who_may_carry_it(allowed, owned):
    given = {name: Member(life=name, may=may) for name, may in allowed.items()}
    shares = shared_out(Roster(members=given, owners=owned), range(8))
    assert all(lane in allowed[name] for lane, name in shares.items())
    assert set().union(*allowed.values()) == set(shares)


@given(members, owners)
def test_roster_survives_the_wire(given, owned):
    roster = Roster(members=given, owners=owned)
    assert roster == Roster.decode(roster.encode())


def test_member_survives_the_wire_with_all_it_says():
    member = Member(
        life="x", beat=7, may=frozenset({1, 2}), reached={1: (1_700_000_000, 0.25)}
    )
    roster = Roster(members={"a": member}, owners={1: "a"})
    assert roster == Roster.decode(roster.encode())
    assert Roster() == Roster.decode(None)


@pytest.mark.parametrize(
    "value", [b"?", b"[]", b"{}", b'{"v":2,"members":{},"owners":{}}', b'{"v":1}']
)
def test_roster_of_another_build_is_refused(value):
    with pytest.raises(RosterUnreadable):
        Roster.decode(value)


def test_lanes_of_those_who_are_gone_are_nobodys():
    given = {name: Member(life=name) for name in "ab"}
    left = Roster(members=given, owners={0: "a", 1: "b", 2: "x"}).without(["a"])
    assert ({"b"}, {1: "b"}) == (set(left.members), left.owners)
