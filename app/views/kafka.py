"""What the views ask of Kafka, beside Faust's consumer and never in its way."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord, TopicPartition

from app.domain.windows import WindowRows
from app.errors import Reason, RejectedMessage
from app.topology import EVENT_BYTES_MAX, Topology
from app.views.presentation import published_rows
from app.wire.events import decode_event

__all__ = ["Observer"]

CHUNK_RECORDS = 16
RECORDS_MAX = 512
FETCH_MILLISECONDS = 500


class Observer:
    """Asks for offsets, and for the windows that were published last.

    It belongs to no group, so it commits nothing and takes part in no rebalance.
    """

    def __init__(self, topology: Topology) -> None:
        self._kafka = topology.settings.kafka
        self._readings = topology.readings
        self._windows = topology.windows
        self._offsets: AIOKafkaConsumer | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Close the connection for offsets, which opens when needed, at the end."""
        try:
            yield
        finally:
            if self._offsets is not None:
                await self._offsets.stop()

    async def end_offsets(self, lanes: list[int]) -> Mapping[int, int]:
        """Return the end offset of the readings of each lane.

        Raises:
            KafkaError, TimeoutError: Kafka does not answer.
        """
        async with asyncio.timeout(self._kafka.request_timeout_seconds):
            if self._offsets is None:
                consumer = self._consumer()
                await consumer.start()
                self._offsets = consumer
            places = [TopicPartition(self._readings.name, lane) for lane in lanes]
            ends = await self._offsets.end_offsets(places)
        return {place.partition: end for place, end in ends.items()}

    async def last_windows(self, lane: int) -> AsyncGenerator[WindowRows, None]:
        """Yield a lane's published windows record by record, the newest first.

        Raises:
            KafkaError, TimeoutError: Kafka does not answer.
            RejectedMessage: A record is not of this build's format.
        """
        place = TopicPartition(self._windows.name, lane)
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
        async with asyncio.timeout(self._kafka.request_timeout_seconds):
            while await consumer.position(place) < end:
                fetched = await consumer.getmany(
                    place, timeout_ms=FETCH_MILLISECONDS, max_records=CHUNK_RECORDS
                )
                records += fetched.get(place, [])
        return [record for record in records if record.offset < end]

    def _consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._kafka.servers,
            group_id=None,
            enable_auto_commit=False,
            request_timeout_ms=int(self._kafka.request_timeout_seconds * 1_000),
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
