"""Where a lane ends in Kafka: the last frame that says how far it comes."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import orjson
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from app import connections
from app.domain.windows import NO_TIME
from app.errors import KafkaUnavailable, SmartMeterError
from app.settings import Settings
from app.topology import Topology
from app.wire.frames import VERSION

__all__ = [
    "LaneEnd",
    "LaneUnreadable",
    "carried_so_far",
    "end_before",
    "end_said_by",
]

RECORDS_READ_AT_ONCE = 32
FETCH_BYTES_MAX = 4 << 20
FETCH_MILLISECONDS_MAX = 20  # what is asked for is there; waiting holds up the next

logger = logging.getLogger(__name__)


class LaneEnd(NamedTuple):
    """The last stream sequence and the watermark of a lane; 0 where it is empty."""

    sequence: int
    watermark: int


class LaneUnreadable(SmartMeterError):
    """A lane ends in a frame of a version that this build does not know.

    To go on before or behind it would be a guess, so the lane waits and says so.
    """

    retriable = True


async def end_before(settings: Settings, place: TopicPartition, offset: int) -> LaneEnd:
    """Return what the last frame before an offset says.

    Records that are no frames at all, written by who knows whom, are passed over.

    Raises:
        KafkaError, KafkaUnavailable: The broker does not answer.
        LaneUnreadable: A newer build wrote that frame.
    """
    async with _reader(settings, [place]) as consumer:
        return await _end_before(consumer, place, offset)


async def carried_so_far(topology: Topology) -> int:
    """Return the last stream sequence that any lane has in Kafka.

    Raises:
        KafkaError, KafkaUnavailable: The broker does not answer, or has no such topic.
        LaneUnreadable: A newer build wrote the end of a lane.
    """
    name = topology.readings.name
    places = [TopicPartition(name, lane) for lane in range(topology.lanes)]
    async with _reader(topology.settings, places) as consumer:
        offsets = await consumer.end_offsets(places)
        ends = [await _end_before(consumer, place, offsets[place]) for place in places]
    return max(end.sequence for end in ends)


async def _end_before(consumer: Any, place: TopicPartition, offset: int) -> LaneEnd:
    begin = (await consumer.beginning_offsets([place]))[place]
    while offset > begin:
        start = max(begin, offset - RECORDS_READ_AT_ONCE)
        for record in reversed(await _records(consumer, place, start, offset)):
            end = end_said_by(record.value, f"{place} offset {record.offset}")
            if end:
                return end
        offset = start
    return LaneEnd(0, NO_TIME)


def end_said_by(value: bytes | None, where: str) -> LaneEnd | None:
    """Return what a record says of its lane's end; None where it says nothing.

    >>> end_said_by(b'{"v":1,"lane":3,"last":7,"watermark":900}', "here")
    LaneEnd(sequence=7, watermark=900)
    >>> end_said_by(b'{"v":1,"lane":3,"last":0,"watermark":900}', "a lane without any")
    LaneEnd(sequence=0, watermark=900)

    Raises:
        LaneUnreadable: It is a frame of another version.
    """
    try:
        fields: dict[str, Any] = orjson.loads(value or b"")
        version, last = int(fields["v"]), int(fields["last"])
        watermark = int(fields["watermark"])
    except (KeyError, TypeError, ValueError):
        logger.warning("%s holds no frame: passed over.", where)
        return None
    if version != VERSION:
        raise LaneUnreadable(
            f"{where} holds a frame of version {version}, this build knows {VERSION}:"
            " run the build that wrote it"
        )
    is_term = not last and watermark == NO_TIME
    return None if is_term else LaneEnd(last, watermark)


@asynccontextmanager
async def _reader(
    settings: Settings, places: list[TopicPartition]
) -> AsyncIterator[Any]:
    consumer = AIOKafkaConsumer(
        **connections.kafka_options(settings),
        enable_auto_commit=False,
        max_partition_fetch_bytes=FETCH_BYTES_MAX,
        fetch_max_wait_ms=FETCH_MILLISECONDS_MAX,
    )
    try:
        async with asyncio.timeout(settings.kafka.request_timeout_seconds):
            await consumer.start()
            if places[0].topic not in await consumer.topics():
                # Asked where it ends, aiokafka would look for it until time is up.
                raise KafkaUnavailable(
                    f"topic {places[0].topic}: missing: run `smartmeter topics`"
                )
            consumer.assign(places)
            yield consumer
    except TimeoutError:
        raise KafkaUnavailable(
            f"{places[0].topic}: Kafka does not say in time where lanes end"
        ) from None
    finally:
        await consumer.stop()


async def _records(
    consumer: Any, place: TopicPartition, start: int, stop: int
) -> list[Any]:
    """Return the records from an offset to before another."""
    consumer.seek(place, start)
    found: list[Any] = []
    while await consumer.position(place) < stop:
        batch = await consumer.getmany(place, timeout_ms=1_000)
        found += [record for record in batch.get(place, []) if record.offset < stop]
    return found
