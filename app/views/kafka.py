"""What the views ask of Kafka, beside Faust's consumer and never in its way."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import ConsumerRecord, TopicPartition

from app.connections import kafka_options
from app.domain.windows import WindowRows
from app.errors import Reason, RejectedMessage
from app.topology import EVENT_BYTES_MAX, Topology
from app.views.presentation import published_rows
from app.views.worker import Positions
from app.wire.events import decode_event

__all__ = ["Observer"]

CHUNK_RECORDS = 16
RECORDS_MAX = 512
FETCH_MILLISECONDS = 500
STOP_SECONDS_MAX = 5.0


class Observer:
    """Asks for offsets, and for the windows that were published last.

    It belongs to no group, so it commits nothing and takes part in no rebalance.
    """

    def __init__(self, topology: Topology) -> None:
        self._options = kafka_options(topology.settings)
        self._patience = topology.settings.kafka.request_timeout_seconds
        self._topology = topology
        self._offsets: AIOKafkaConsumer | None = None
        self._admin: AIOKafkaAdminClient | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Close at the end the connections that were opened when they were needed."""
        try:
            yield
        finally:
            async with asyncio.timeout(STOP_SECONDS_MAX):
                if self._offsets is not None:
                    await self._offsets.stop()
                if self._admin is not None:
                    await self._admin.close()

    async def end_offsets(self, lanes: list[int]) -> Mapping[int, int]:
        """Return the end offset of the readings of each lane.

        Raises:
            KafkaError, TimeoutError: Kafka does not answer.
        """
        name = self._topology.readings.name
        ends = await self._ends([TopicPartition(name, lane) for lane in lanes])
        return {place.partition: end for place, end in ends.items()}

    async def positions(self) -> Positions:
        """Return how far every topic reaches, and how far each stage has come in it.

        Raises:
            KafkaError, TimeoutError: Kafka does not answer.
        """
        topology = self._topology
        places = [
            TopicPartition(topic.name, number)
            for topic in topology.topics
            for number in range(topic.partitions)
        ]
        ends = await self._ends(places)
        groups = topology.live_group, topology.results_group, topology.archive_group
        committed: dict[tuple[str, str, int], int] = {}
        async with asyncio.timeout(self._patience):
            if self._admin is None:
                admin = AIOKafkaAdminClient(**self._options)
                await admin.start()
                self._admin = admin
            for group in groups:
                offsets = await self._admin.list_consumer_group_offsets(group)
                for place, offset in offsets.items():
                    committed[group, place.topic, place.partition] = offset.offset
        return Positions(
            ends={(place.topic, place.partition): end for place, end in ends.items()},
            committed=committed,
        )

    async def _ends(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        async with asyncio.timeout(self._patience):
            if self._offsets is None:
                consumer = self._consumer()
                await consumer.start()
                self._offsets = consumer
            ends: dict[TopicPartition, int] = await self._offsets.end_offsets(places)
        return ends

    async def last_windows(self, lane: int) -> AsyncGenerator[WindowRows, None]:
        """Yield a lane's published windows record by record, the newest first.

        Raises:
            KafkaError, TimeoutError: Kafka does not answer.
            RejectedMessage: A record is not of this build's format.
        """
        place = TopicPartition(self._topology.windows.name, lane)
        consumer = self._consumer()
        await consumer.start()
        try:
            consumer.assign([place])
            low = (await consumer.beginning_offsets([place]))[place]
            end = (await consumer.end_offsets([place]))[place]
            low = max(low, end - RECORDS_MAX)
            while end > low:
                begin = max(low, end - CHUNK_RECORDS)
                records = await self._read(consumer, place, begin, end)
                for record in reversed(records):
                    yield await asyncio.to_thread(_decode, record)
                end = begin
        finally:
            await consumer.stop()

    async def _read(
        self, consumer: AIOKafkaConsumer, place: TopicPartition, begin: int, end: int
    ) -> list[ConsumerRecord[bytes, bytes]]:
        records: list[ConsumerRecord[bytes, bytes]] = []
        consumer.seek(place, begin)
        async with asyncio.timeout(self._patience):
            while await consumer.position(place) < end:
                fetched = await consumer.getmany(
                    place, timeout_ms=FETCH_MILLISECONDS, max_records=CHUNK_RECORDS
                )
                records += fetched.get(place, [])
        return [record for record in records if record.offset < end]

    def _consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            **self._options,
            group_id=None,
            enable_auto_commit=False,
            max_partition_fetch_bytes=EVENT_BYTES_MAX,
        )


def _decode(record: ConsumerRecord[bytes, bytes]) -> WindowRows:
    event = decode_event(record.value)
    try:
        return published_rows(event)
    except (KeyError, TypeError, ValueError) as error:
        raise RejectedMessage(
            Reason.JSON, f"offset {record.offset} holds no closed windows: {error!r}"
        ) from None
