"""Topics as a broker has them: what differs is named with what mends it, and mended."""

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from app import topics
from app.topology import Topology


@pytest.fixture
def settings(kafka_server, settings_for):
    return settings_for(kafka={"lanes": 2, "retention_hours": 24})


def troubles(settings, name):
    findings = asyncio.run(topics.check_topics(settings))
    return {topic.name: text for topic, text in findings if text}.get(name, "")


def test_what_is_missing_or_differs_is_named_with_what_mends_it(settings, settings_for):
    readings = Topology(settings).readings.name
    assert "missing: run `smartmeter topics`" == troubles(settings, readings)
    found = asyncio.run(topics.ensure_topics(settings))
    assert {""} == {text for _, text in found}

    more_lanes = settings_for(kafka={"lanes": 3, "retention_hours": 24})
    text = troubles(more_lanes, readings)
    assert text.startswith("has 2 partitions, must have 3 (SMARTMETER_KAFKA__LANES)")
    assert "`smartmeter replay --into`" in text
    asyncio.run(topics.ensure_topics(more_lanes, mend=True))
    assert "" == troubles(settings, readings)  # they are never grown


def test_configuration_is_set_when_asked_and_leaves_what_others_set(
    settings, settings_for
):
    readings = Topology(settings).readings.name
    asyncio.run(topics.ensure_topics(settings))
    asyncio.run(set_locally(settings, readings))
    longer = settings_for(kafka={"lanes": 2, "retention_hours": 48})
    told = (
        "retention.ms is 86400000, must be 172800000:"
        " run `smartmeter topics apply --configs`"
    )
    assert told == dict_of(asyncio.run(topics.ensure_topics(longer)))[readings]
    found = asyncio.run(topics.ensure_topics(longer, mend=True))
    assert {""} == {text for _, text in found}
    assert "zstd" == asyncio.run(value(settings, readings, "compression.type"))


def dict_of(findings):
    return {topic.name: text for topic, text in findings}


async def set_locally(settings, name):
    """Set something that is not ours, as an operator would."""
    resource = ConfigResource(
        ConfigResourceType.TOPIC,
        name,
        configs={
            "compression.type": "zstd",
            **topics.configuration(Topology(settings).readings),
        },
    )
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.servers)
    await admin.start()
    await admin.alter_configs([resource])
    await admin.close()
    async with asyncio.timeout(30):  # the broker says so a moment after it was told
        while await value(settings, name, "compression.type") != "zstd":
            await asyncio.sleep(0.05)


async def value(settings, name, key):
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.servers)
    await admin.start()
    resource = ConfigResource(ConfigResourceType.TOPIC, name)
    (answer,) = await admin.describe_configs([resource])
    await admin.close()
    return {entry[0]: entry[1] for entry in answer.resources[0][4]}[key]
