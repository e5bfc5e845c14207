"""A fetch that outlives what it was made for brings nothing, and loses nothing."""

import asyncio
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition

from app.transport import _Thread

PLACE, OTHER = TopicPartition("readings", 0), TopicPartition("readings", 1)
GENERATION = 7


class Broker:
    """aiokafka's consumer and fetcher, with some records that have come already."""

    _closed = False

    def __init__(self):
        self.positions = {PLACE: 35, OTHER: 12}
        self.meanwhile = lambda: None
        self._fetcher = self
        self._subscriptions = SimpleNamespace(fetch_context=nullcontext)
        state_value = lambda place: SimpleNamespace(  # noqa: E731
            has_valid_position=True, position=self.positions[place]
        )
        held = SimpleNamespace(assignment=SimpleNamespace(state_value=state_value))
        self._subscription = SimpleNamespace(subscription=held)

    async def fetched_records(self, partitions, **_):
        self.meanwhile()
        await asyncio.sleep(0)
        found = {}
        for place in self.positions:
            if not partitions or place in partitions:  # as aiokafka does
                first = self.positions[place]
                found[place] = [SimpleNamespace(offset=first + n) for n in range(5)]
                self.positions[place] += 5
        return found

    def assignment(self):
        return set(self.positions)

    def seek(self, place, offset):
        self.positions[place] = offset


@pytest.fixture
def broker():
    return Broker()


@pytest.fixture
def thread():
    thread = object.__new__(_Thread)
    thread.app = SimpleNamespace(consumer_generation_id=GENERATION)
    thread.consumer = SimpleNamespace(flow_active=True)
    return thread


def fetch(thread, broker, places):
    found = asyncio.run(thread._fetch_records(broker, places, timeout=0.1))
    return {place: [r.offset for r in taken] for place, taken in found.items()}


def test_a_fetch_brings_what_was_asked_and_nothing_else(thread, broker):
    assert {PLACE: [35, 36, 37, 38, 39]} == fetch(thread, broker, {PLACE})
    assert {PLACE: 40, OTHER: 12} == broker.positions


def test_a_fetch_of_nothing_brings_nothing(thread, broker):
    assert {} == fetch(thread, broker, set())
    assert {PLACE: 35, OTHER: 12} == broker.positions


def test_partitions_that_are_paused_while_it_waits_do_not_make_it_one_of_all(
    thread, broker
):
    active = {PLACE}
    broker.meanwhile = active.clear
    assert [PLACE] == list(fetch(thread, broker, active))
    assert 12 == broker.positions[OTHER]


def test_what_came_after_the_flow_was_stopped_comes_again(thread, broker):
    broker.meanwhile = lambda: setattr(thread.consumer, "flow_active", False)
    assert {} == fetch(thread, broker, {PLACE})
    assert 35 == broker.positions[PLACE]


def test_what_came_for_a_former_generation_comes_again(thread, broker):
    broker.meanwhile = lambda: setattr(thread.app, "consumer_generation_id", 8)
    assert {} == fetch(thread, broker, {PLACE})
    assert 35 == broker.positions[PLACE]


def test_a_seek_made_since_is_not_undone(thread, broker):
    class Sought(Broker):
        async def fetched_records(self, *arguments, **options):
            found = await super().fetched_records(*arguments, **options)
            thread.consumer.flow_active = False
            self.seek(PLACE, 20)
            return found

    broker = Sought()
    assert {} == fetch(thread, broker, {PLACE})
    assert 20 == broker.positions[PLACE]
