"""Bridges that share a roster, each with a clock that may stand still."""

import asyncio

import pytest
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError

from app import settings
from app.topology import Topology
from bridge.membership import LeaseLost, Membership, Observer, Replaced
from bridge.roster import Member, Roster

LEASE_SECONDS = 5.0
TOPOLOGY = Topology(settings.load({}))


class FakeBucket:
    """A bucket with compare-and-set, as NATS has it."""

    def __init__(self):
        self.value = None
        self.revision = 0
        self.meddle = None

    async def get(self, _):
        if self.value is None:
            raise KeyNotFoundError
        return self

    async def update(self, _, value, last):
        if self.meddle:
            meddle, self.meddle = self.meddle, None
            await meddle()
        if last != self.revision:
            raise KeyWrongLastSequenceError
        self.value = value
        self.revision += 1


class FakeLanes:
    """Lanes whose work begins and ends at once."""

    def __init__(self):
        self.carried = set()
        self.left = set()
        self.dropped = set()

    def take(self, lane):
        self.carried.add(lane)

    def leave(self, lane):
        self.carried.discard(lane)
        self.left.add(lane)

    async def drop(self, lanes):
        self.dropped |= lanes
        self.carried -= lanes


class Bridge:
    """A bridge without a road: a membership, and what it carries."""

    def __init__(self, bucket, name, life="1", may=None):
        self.bucket = bucket
        self.lanes = FakeLanes()
        self.heard = {}
        self.membership = Membership(
            topology=TOPOLOGY,
            name=name,
            life=life,
            may=may,
            reached=lambda lanes: {lane: (900 + lane, 0.0) for lane in lanes},
            heard=self.heard.update,
        )

    async def tick(self):
        roster, leaving = await self.membership._renew(self.bucket, self.lanes)
        await self.membership._follow(roster, leaving, self.lanes)


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1_000.0

    monkeypatch.setattr("bridge.membership.time.monotonic", lambda: Clock.now)
    return Clock


@pytest.fixture
def bucket():
    return FakeBucket()


async def ticks(clock, *bridges, seconds):
    for _ in range(seconds):
        clock.now += 1.0
        for bridge in bridges:
            await bridge.tick()


def carried(*bridges):
    lanes = [sorted(bridge.lanes.carried) for bridge in bridges]
    together = [lane for each in lanes for lane in each]
    assert len(together) == len(set(together))
    return [len(each) for each in lanes]


async def test_first_bridge_takes_all_lanes_and_a_second_one_half(clock, bucket):
    a, b = Bridge(bucket, "a"), Bridge(bucket, "b")
    await a.tick()
    assert [8] == carried(a)
    await ticks(clock, a, b, seconds=3)
    assert [4, 4] == carried(a, b)
    assert set() == a.lanes.dropped


async def test_lanes_of_a_dead_bridge_are_taken_over_after_its_lease(clock, bucket):
    a, b = Bridge(bucket, "a"), Bridge(bucket, "b")
    await ticks(clock, a, b, seconds=4)
    await ticks(clock, b, seconds=4)
    assert [4] == carried(b)
    await ticks(clock, b, seconds=3)
    assert [8] == carried(b)


async def test_bridge_that_was_frozen_gives_up_what_others_have_and_shares_again(
    clock, bucket
):
    a, b = Bridge(bucket, "a"), Bridge(bucket, "b")
    await ticks(clock, a, b, seconds=4)
    await ticks(clock, b, seconds=30)
    with pytest.raises(LeaseLost):
        a.membership.guard()
    await a.tick()
    a.membership.guard()
    assert [0, 8] == carried(a, b)
    await ticks(clock, a, b, seconds=4)
    assert [4, 4] == carried(a, b)


async def test_bridge_that_was_frozen_declares_nobody_dead(clock, bucket):
    a, b = Bridge(bucket, "a"), Bridge(bucket, "b")
    await ticks(clock, a, b, seconds=4)
    clock.now += 30.0  # the whole machine stood still, or NATS did
    await a.tick()
    await ticks(clock, a, b, seconds=2)
    assert [4, 4] == carried(a, b)
    assert set() == a.lanes.dropped | b.lanes.dropped


async def test_process_started_again_under_its_name_has_its_lanes_at_once(
    clock, bucket
):
    before, other = Bridge(bucket, "a", "1"), Bridge(bucket, "b")
    await ticks(clock, before, other, seconds=4)
    after = Bridge(bucket, "a", "2")
    await after.tick()
    assert [4, 4] == carried(after, other)


async def test_bridge_whose_name_another_has_taken_ends(clock, bucket):
    first, second = Bridge(bucket, "a", "1"), Bridge(bucket, "a", "2")
    await first.tick()
    await second.tick()
    with pytest.raises(Replaced, match="SMARTMETER_BRIDGE__IDENTITY"):
        await first.tick()


async def test_bridge_that_retires_leaves_its_lanes_without_a_wait(clock, bucket):
    a, b = Bridge(bucket, "a"), Bridge(bucket, "b")
    await ticks(clock, a, b, seconds=4)
    a.membership.give_all_up()
    await ticks(clock, a, b, seconds=2)
    assert [0, 8] == carried(a, b)
    await a.membership.retire(bucket)
    assert {"b"} == set(Roster.decode(bucket.value).members)


async def test_change_in_between_is_seen_before_ours_is_written(clock, bucket):
    a, b = Bridge(bucket, "a"), Bridge(bucket, "b")
    bucket.meddle = b.tick
    await a.tick()
    await ticks(clock, a, b, seconds=3)
    assert [4, 4] == carried(a, b)


async def test_bridges_hear_how_far_the_others_lanes_are(clock, bucket):
    a, b = Bridge(bucket, "a"), Bridge(bucket, "b")
    await ticks(clock, a, b, seconds=6)
    assert {lane: (900 + lane, 0.0) for lane in b.lanes.carried} == {
        lane: a.heard[lane] for lane in b.lanes.carried
    }


async def test_bridge_takes_only_lanes_that_it_may_carry(clock, bucket):
    a = Bridge(bucket, "a", may=frozenset({0, 1}))
    b = Bridge(bucket, "b")
    await ticks(clock, a, b, seconds=3)
    assert ({0, 1}, {2, 3, 4, 5, 6, 7}) == (a.lanes.carried, b.lanes.carried)


async def test_lease_holds_only_as_long_as_it_is_renewed(clock, bucket):
    a = Bridge(bucket, "a")
    with pytest.raises(LeaseLost):
        a.membership.guard()
    await a.tick()
    a.membership.guard()
    clock.now += LEASE_SECONDS
    with pytest.raises(LeaseLost):
        a.membership.guard()


async def test_run_renews_until_it_is_stopped(bucket):
    a, stopping = Bridge(bucket, "a"), asyncio.Event()
    run = asyncio.create_task(a.membership.run(bucket, a.lanes, stopping))
    while bucket.revision < 2:
        a.membership.poke.set()
        await asyncio.sleep(0)
    stopping.set()
    a.membership.poke.set()
    await asyncio.wait_for(run, 5)
    assert a.membership.is_member


def test_silence_counts_only_while_somebody_looked():
    observer = Observer(LEASE_SECONDS)
    roster = Roster(members={"b": Member(life="1", beat=7)})
    assert set() == observer.silent(roster, now=0.0)
    assert set() == observer.silent(roster, now=60.0)
    assert set() == observer.silent(roster, now=62.0)
    assert set() == observer.silent(roster, now=64.0)
    assert {"b"} == observer.silent(roster, now=66.0)
