"""The log of a lane on a real Kafka: one writer, no gap, no repeat, and its end."""

import asyncio
import itertools
import json
import secrets

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from app import settings, topics
from app.domain.readings import Readings
from app.domain.windows import NO_TIME
from app.topology import Topology
from app.wire.frames import Frame, encode_frame
from bridge.kafka import Kafka
from bridge.lane_end import LaneEnd, LaneUnreadable, carried_so_far
from bridge.lane_log import LaneLog, LaneTaken, term_frame

LANES = 32
FREE_LANES = itertools.count()


@pytest.fixture(scope="module")
def topology(kafka_server, servers):
    """One set of topics for all tests here; each writes to a lane of its own."""
    environ = servers.environ(f"t{secrets.token_hex(6)}")
    environ["SMARTMETER_KAFKA__LANES"] = str(LANES)
    loaded = settings.load(environ)
    asyncio.run(topics.ensure_topics(loaded))
    return Topology(loaded)


@pytest.fixture
def lane():
    return next(FREE_LANES)


@pytest.fixture
async def log_of(topology, lane):
    opened = []

    def make(kind=LaneLog, **options):
        opened.append(kind(topology, lane, **options))
        return opened[-1]

    yield make
    for log in opened:
        await log.close()


def a_frame(last, watermark=900):
    return encode_frame(
        Frame(
            lane=0,
            first=last,
            last=last,
            watermark=watermark,
            readings=Readings.empty(),
        )
    )


async def values(topology, lane, topic=None):
    """Return what a partition holds, as JSON, without the frames that begin terms."""
    consumer = AIOKafkaConsumer(bootstrap_servers=topology.settings.kafka.servers)
    await consumer.start()
    try:
        place = TopicPartition((topic or topology.readings).name, lane)
        consumer.assign([place])
        consumer.seek(place, 0)
        end, found = (await consumer.end_offsets([place]))[place], []
        while await consumer.position(place) < end:
            batch = await consumer.getmany(place, timeout_ms=500)
            found += [record.value for record in batch.get(place, [])]
    finally:
        await consumer.stop()
    return [json.loads(value) for value in found if value != term_frame(lane)]


async def write(topology, lane, *given):
    """Write records as anybody could."""
    servers = topology.settings.kafka.servers
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        for value in given:
            await producer.send_and_wait(topology.readings.name, value, partition=lane)


async def test_empty_lane_ends_before_its_first_message(log_of):
    assert LaneEnd(0, NO_TIME) == await log_of().begin()


async def test_who_comes_next_begins_where_the_last_frame_ended(topology, lane, log_of):
    first = log_of()
    await first.begin()
    await first.append([a_frame(7, 900), a_frame(10**9, 1_800)])
    assert LaneEnd(10**9, 1_800) == await log_of().begin()
    assert [7, 10**9] == [frame["last"] for frame in await values(topology, lane)]
    assert 10**9 == await carried_so_far(topology)


async def test_former_writer_is_refused_and_leaves_nothing(topology, lane, log_of):
    former, now = log_of(), log_of()
    await former.begin()
    await former.append([a_frame(7)])
    await now.begin()
    with pytest.raises(LaneTaken):
        await former.append([a_frame(8)])
    await now.append([a_frame(9)])
    assert [7, 9] == [frame["last"] for frame in await values(topology, lane)]


async def test_what_a_former_writer_wrote_at_the_last_moment_is_seen(log_of):
    former = log_of()
    await former.begin()

    class Interrupted(LaneLog):
        async def _next_epoch(self):
            writer = await super()._next_epoch()
            await former.append([a_frame(7)])
            return writer

    assert 7 == (await log_of(kind=Interrupted).begin()).sequence


async def test_of_many_who_begin_at_once_one_writes_and_nothing_is_torn(
    topology, lane, log_of
):
    logs = [log_of() for _ in range(5)]
    began = await asyncio.gather(*(log.begin() for log in logs), return_exceptions=True)
    wrote = await asyncio.gather(
        *(log.append([a_frame(n + 1)]) for n, log in enumerate(logs)),
        return_exceptions=True,
    )
    assert all(isinstance(each, LaneEnd | LaneTaken) for each in began)
    assert 1 == sum(isinstance(offset, int) for offset in wrote)
    assert 1 == len(await values(topology, lane))


async def test_batch_sent_twice_is_there_once(topology, lane, log_of):
    log = log_of()
    await log.begin()
    sent_before = log._writer
    await log.append([a_frame(7), a_frame(8)])
    log._writer = sent_before  # as if the broker's word had been lost
    await log.append([a_frame(7), a_frame(8)])
    await log.append([a_frame(9)])
    assert [7, 8, 9] == [frame["last"] for frame in await values(topology, lane)]


async def test_writer_that_loses_its_lease_sends_nothing(topology, lane, log_of):
    class Lost(Exception):
        pass

    lost = []

    def guard():
        if lost:
            raise Lost

    log = log_of(guard=guard)
    await log.begin()
    lost.append(True)
    with pytest.raises(Lost):
        await log.append([a_frame(7)])
    assert [] == await values(topology, lane)


@pytest.mark.parametrize(
    "foreign", [b"", b"?", b"[]", b"null", b'{"v":1}', b'{"v":"x","last":1}', b"\xff"]
)
async def test_records_that_are_no_frames_are_passed_over(
    topology, lane, log_of, foreign
):
    log = log_of()
    await log.begin()
    await log.append([a_frame(7)])
    await write(topology, lane, *[foreign] * 3)
    assert 7 == (await log_of().begin()).sequence


async def test_lane_that_ends_in_a_frame_of_a_newer_build_is_not_touched(
    topology, lane, log_of
):
    await write(topology, lane, a_frame(7).replace(b'"v":1', b'"v":2'))
    with pytest.raises(LaneUnreadable, match="version 2"):
        await log_of().begin()


async def test_end_is_found_behind_many_terms_in_which_nothing_was_written(
    lane, log_of
):
    log = log_of()
    await log.begin()
    await log.append([a_frame(7)])
    await log.append([term_frame(lane)] * 200)
    assert 7 == (await log_of().begin()).sequence


async def test_lane_without_a_reading_keeps_its_watermark(log_of):
    log = log_of()
    await log.begin()
    await log.append([a_frame(0, 900), a_frame(0, 1_800)])
    assert LaneEnd(0, 1_800) == await log_of().begin()


async def test_what_keeps_no_order_is_written_to_every_place(topology):
    kafka = Kafka(topology.settings, [topology.dead_letters, topology.weather])
    try:
        letters = [(topology.dead_letters, 0, b'{"n":%d}' % n) for n in range(3)]
        weather = [(topology.weather, lane, b'{"n":9}') for lane in range(LANES)]
        await kafka.send([*letters, *weather])
    finally:
        await kafka.close()
    found = await values(topology, 0, topology.dead_letters)
    assert [0, 1, 2] == [letter["n"] for letter in found]
    for lane in range(0, LANES, 8):
        assert [{"n": 9}] == await values(topology, lane, topology.weather)
