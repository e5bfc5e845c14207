"""Asking Kafka's brokers of our topics and groups; in no group, committing nothing."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError
from aiokafka.structs import TopicPartition

from app.connections import kafka_options
from app.metrics import kafka as metrics
from app.metrics.families import Sample
from app.metrics.kafka import KafkaFigures, Place
from app.topology import Topology

__all__ = ["KafkaBrokers"]


class KafkaBrokers:
    """The brokers, over two connections that stay open while they answer."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._names = {topic.name for topic in topology.topics}
        self._groups = (
            topology.live_group,
            topology.archive_group,
            topology.results_group,
        )
        self._admin: Any = None
        self._consumer: Any = None

    async def read(self) -> list[Sample]:
        """Return the samples of our topics and groups.

        Raises:
            KafkaError, OSError, TimeoutError: No broker answers, or not as asked.
        """
        try:
            await self._connect()
            return list(metrics.samples(await self._figures()))
        except BaseException:
            await self.close()  # also when time was up: the next try begins anew
            raise

    async def close(self) -> None:
        """Close the connections."""
        admin, consumer = self._admin, self._consumer
        self._admin = self._consumer = None
        try:
            if consumer is not None:
                await consumer.stop()
        finally:
            if admin is not None:
                await admin.close()

    async def _connect(self) -> None:
        if self._admin is None:
            options = kafka_options(self._topology.settings)
            self._admin = AIOKafkaAdminClient(**options)
            await self._admin.start()
            self._consumer = AIOKafkaConsumer(
                group_id=None, enable_auto_commit=False, **options
            )
            await self._consumer.start()

    async def _figures(self) -> KafkaFigures:
        cluster = await self._admin.describe_cluster()
        topics = await self._admin.describe_topics()
        places: list[TopicPartition] = []
        degraded: Counter[str] = Counter()
        for topic in topics:
            name = topic["topic"]
            if name not in self._names or topic["error_code"]:
                continue
            degraded[name] = 0
            for partition in topic["partitions"]:
                places.append(TopicPartition(name, partition["partition"]))
                degraded[name] += len(partition["isr"]) < len(partition["replicas"])
        committed = {group: await self._committed(group) for group in self._groups}
        return KafkaFigures(
            brokers=len(cluster["brokers"]),
            begins=await _offsets(self._consumer.beginning_offsets, places),
            ends=await _offsets(self._consumer.end_offsets, places),
            degraded=degraded,
            committed=committed,
        )

    async def _committed(self, group: str) -> dict[Place, int]:
        try:
            found = await self._admin.list_consumer_group_offsets(group)
        except GroupAuthorizationFailedError:
            return {}  # this user may not ask; the rest is still of use
        return {tuple(place): at.offset for place, at in found.items() if at.offset > 0}


async def _offsets(
    ask: Callable[[list[TopicPartition]], Awaitable[dict[TopicPartition, int]]],
    places: list[TopicPartition],
) -> dict[Place, int]:
    found = await ask(places) if places else {}
    return {(place.topic, place.partition): offset for place, offset in found.items()}
