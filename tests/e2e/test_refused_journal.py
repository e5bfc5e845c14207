"""A worker whose journal the broker refuses stops before it acknowledges anything."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import TopicPartition

from app.topics import configuration
from app.wire.meter import encode_reading
from tests.road import Road

BASE = 1_700_000_100
COUNTED = "smartmeter_live_readings_counted_total"


@pytest.fixture
def road(nats_server, kafka_server, environ_for, tmp_path):
    with Road(environ_for(), tmp_path) as road:
        yield road


def messages(count):
    return [
        (f"data.11.{n % 9 + 1}.{n % 7 + 1}", encode_reading(BASE + n % 900, 115.0))
        for n in range(count)
    ]


async def configure(road, **changes):
    """Set the configuration of the windows' journal, with changes."""
    topic = road.topology.windows_journal
    admin = AIOKafkaAdminClient(bootstrap_servers=road.settings.kafka.servers)
    await admin.start()
    try:
        wanted = configuration(topic) | changes
        resource = ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=wanted)
        await admin.alter_configs([resource])
    finally:
        await admin.close()


async def committed(road):
    """The group's offsets in the readings, by lane."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=road.settings.kafka.servers,
        group_id=road.topology.live_group,
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        return {
            lane: await consumer.committed(
                TopicPartition(road.topology.readings.name, lane)
            )
            or 0
            for lane in range(road.topology.lanes)
        }
    finally:
        await consumer.stop()


def test_refused_journal_record_stops_the_worker_before_its_frames_are_acked(road):
    road.start("bridge")
    road.start("worker")
    road.ready("bridge", "worker")
    road.publish(messages(900))
    road.wait_for(lambda: road.metric("worker", COUNTED) == 900, "a first part")
    worker = road.processes["worker"]
    asyncio.run(configure(road, **{"max.message.bytes": "300"}))

    road.publish(messages(900))
    road.wait_for(lambda: not worker.alive, "the worker to stop")

    assert 1 == worker.exit_code
    assert "Stopping at once" in road.log("worker")
    durable = {}
    for lane, _, record in road.records(road.topology.windows_journal.name):
        offset = record["offsets"].get(road.topology.readings.name, -1)
        durable[lane] = max(durable.get(lane, 0), offset + 1)
    for lane, offset in asyncio.run(committed(road)).items():
        assert offset <= durable[lane]

    asyncio.run(configure(road))
    road.start("worker")
    road.ready("worker")
    road.wait_for(lambda: road.metric("worker", COUNTED) == 1_800, "both parts, once")
