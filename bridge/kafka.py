"""The bridge's side of Kafka: one idempotent producer, and a look at a lane's end."""

import asyncio
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from app.domain.windows import NO_TIME
from app.settings import Settings
from app.topology import FRAME_BYTES_MAX, Topic
from app.wire.frames import decode_frame

__all__ = ["Kafka", "LastFrame"]

BATCH_BYTES_MAX = 1 << 20


class LastFrame(NamedTuple):
    """Where a lane ends in Kafka: its last stream sequence, and its watermark."""

    sequence: int
    watermark: int


class Kafka:
    """Sends values and says where a lane ends."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: Any = None

    async def start(self) -> None:
        """Connect the producer.

        Raises:
            KafkaError: No broker answers.
        """
        kafka = self._settings.kafka
        self._producer = AIOKafkaProducer(
            bootstrap_servers=kafka.servers,
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES_MAX,
            max_request_size=2 * FRAME_BYTES_MAX,
            request_timeout_ms=int(kafka.request_timeout_seconds * 1_000),
        )
        await self._producer.start()

    async def stop(self) -> None:
        """Send what is left, and disconnect."""
        if self._producer:
            await self._producer.stop()

    async def send(self, topic: Topic, partition: int, value: bytes) -> Any:
        """Hand a value over; await the result for the broker's acknowledgement."""
        return await self._producer.send(topic.name, value, partition=partition)

    async def last_frame(self, topic: Topic, lane: int) -> LastFrame:
        """Return where a lane ends; sequence 0 for one without a frame.

        Raises:
            KafkaError: The broker does not answer.
            RejectedMessage: The last record is no frame.
        """
        kafka = self._settings.kafka
        consumer = AIOKafkaConsumer(
            bootstrap_servers=kafka.servers,
            enable_auto_commit=False,
            request_timeout_ms=int(kafka.request_timeout_seconds * 1_000),
        )
        await consumer.start()
        try:
            async with asyncio.timeout(kafka.request_timeout_seconds):
                place = TopicPartition(topic.name, lane)
                consumer.assign([place])
                end = (await consumer.end_offsets([place]))[place]
                begin = (await consumer.beginning_offsets([place]))[place]
                if end == begin:
                    return LastFrame(0, NO_TIME)
                consumer.seek(place, end - 1)
                record = await consumer.getone(place)
        finally:
            await consumer.stop()
        frame = decode_frame(record.value)
        return LastFrame(frame.last, frame.watermark)
