"""How far a stage has come in the readings, by what its consumer group committed."""

from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition

from app import connections
from app.topology import Topology

__all__ = ["Progress", "progress"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Workers in a group, frames that they have committed, and frames that wait."""

    members: int
    done: int
    behind: int


async def progress(topology: Topology, group: str) -> Progress:
    """Ask Kafka about a group.

    Raises:
        KafkaError: It does not answer.
    """
    options = connections.kafka_options(topology.settings)
    name = topology.readings.name
    places = [TopicPartition(name, lane) for lane in range(topology.lanes)]
    admin: Any = AIOKafkaAdminClient(**options)
    consumer: Any = AIOKafkaConsumer(**options)
    try:
        await admin.start()
        await consumer.start()
        ends = await consumer.end_offsets(places)
        (described,) = await admin.describe_consumer_groups([group])
        committed = await admin.list_consumer_group_offsets(group, partitions=places)
    finally:
        await consumer.stop()
        await admin.close()
    done = {place: max(0, committed[place].offset) for place in places}
    # error, name, state, protocol type, protocol, members, …
    members = described.groups[0][5]
    return Progress(
        members=len(members),
        done=sum(done.values()),
        behind=sum(max(0, ends[place] - done[place]) for place in places),
    )
