"""The log of one namespace into the empty topics of another, from a time on."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from app import connections, topics
from app.cli.group import Groups
from app.errors import SmartMeterError
from app.settings import Settings
from app.topology import EVENT_BYTES_MAX, Topology
from app.wire.frames import decode_frame, encode_frame
from app.wire.relaning import Relaning

__all__ = ["Copied", "CopyRefused", "copy_log", "offsets_from"]

FETCH_MILLISECONDS_MAX = 500
RECORDS_MAX = 500
IN_FLIGHT_MAX = 500
PATIENCE_SECONDS = 30.0
LINGER_MILLISECONDS = 5

Say = Callable[[float], None]


class CopyRefused(SmartMeterError):
    """The log must not be copied there now; the message says why."""


@dataclass(slots=True)
class Copied:
    """Records read and written."""

    frames: int = 0
    written: int = 0
    weather: int = 0


class _Span(NamedTuple):
    begin: int
    end: int


async def offsets_from(
    consumer: Any, places: Sequence[TopicPartition], since: float | None
) -> dict[TopicPartition, int]:
    """Return where partitions have come to at a time (None: where they begin).

    Raises:
        KafkaError: The broker does not answer.
    """
    if since is None:
        begins: dict[TopicPartition, int] = await consumer.beginning_offsets(places)
        return begins
    found = await consumer.offsets_for_times(dict.fromkeys(places, int(since * 1_000)))
    ends = await consumer.end_offsets(places)
    return {p: at.offset if (at := found.get(p)) else ends[p] for p in places}


async def copy_log(
    source: Topology, settings: Settings, since: float | None, say: Say
) -> Copied:
    """Copy weather and readings to the namespace, and the lanes, of other settings.

    say is told the share that is done.

    Raises:
        CopyRefused: Something runs there, or the topics are not empty.
        KafkaError, TimeoutError: The broker does not answer.
    """
    target = Topology(settings)
    await _require_quiet(target)
    for topic, trouble in await topics.ensure_topics(settings):
        if trouble:
            raise CopyRefused(f"topic {topic.name}: {trouble}")
    async with _clients(source.settings) as (consumer, producer):
        await _require_empty(consumer, target)
        log = _Log(consumer, _Writer(producer), source, target, say)
        await log.copy_weather(since)
        await log.copy_readings(since)
        return log.copied


async def _require_quiet(target: Topology) -> None:
    async with Groups(target) as groups:
        for group in (target.live_group, target.archive_group, target.results_group):
            if await groups.members(group):
                raise CopyRefused(
                    f"{group} has members: stop the workers and bridges of namespace"
                    f" {target.settings.namespace} first"
                )


async def _require_empty(consumer: Any, target: Topology) -> None:
    for topic in (target.readings, target.weather):
        places = _places(topic.name, topic.partitions)
        written = sum((await consumer.end_offsets(places)).values())
        if written:
            raise CopyRefused(
                f"{topic.name} holds {written:,} records already: give another"
                " namespace, or delete its topics"
            )


@asynccontextmanager
async def _clients(settings: Settings) -> AsyncIterator[tuple[Any, Any]]:
    options = connections.kafka_options(settings)
    consumer = AIOKafkaConsumer(**options, enable_auto_commit=False)
    producer = AIOKafkaProducer(
        **options,
        enable_idempotence=True,
        linger_ms=LINGER_MILLISECONDS,
        max_request_size=EVENT_BYTES_MAX,
    )
    try:
        await consumer.start()
        await producer.start()
        yield consumer, producer
    finally:
        await producer.stop()
        await consumer.stop()


class _Writer:
    """Sends records in order, and keeps a bounded number on their way."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self._sent: list[Any] = []

    async def write(self, topic: str, partition: int, value: bytes, stamp: int) -> None:
        if len(self._sent) >= IN_FLIGHT_MAX:
            await self.flush()
        self._sent.append(
            await self._producer.send(
                topic, value, partition=partition, timestamp_ms=stamp
            )
        )

    async def flush(self) -> None:
        sent, self._sent = self._sent, []
        await asyncio.gather(*sent)


class _Log:
    """Reads one namespace's log to where it ends now, and writes another's."""

    def __init__(
        self,
        consumer: Any,
        writer: _Writer,
        source: Topology,
        target: Topology,
        say: Say,
    ) -> None:
        self._consumer = consumer
        self._writer = writer
        self._source = source
        self._target = target
        self._say = say
        self.copied = Copied()

    async def copy_weather(self, since: float | None) -> None:
        """Copy one partition's weather, which is everybody's, into every partition."""
        spans = await self._spans(self._source.weather.name, 1, since)
        async for record in self._records(spans):
            for partition in range(self._target.lanes):
                await self._writer.write(
                    self._target.weather.name, partition, record.value, record.timestamp
                )
            self.copied.weather += 1
        await self._writer.flush()

    async def copy_readings(self, since: float | None) -> None:
        """Copy frames as they are, or into other lanes."""
        name = self._source.readings.name
        spans = await self._spans(name, self._source.lanes, since)
        if self._source.lanes == self._target.lanes:
            async for record in self._records(spans):
                await self._write(record.partition, record.value, record.timestamp)
        else:
            await self._relane(spans)
        await self._writer.flush()

    async def _relane(self, spans: Mapping[TopicPartition, _Span]) -> None:
        relaning = Relaning(
            old_lanes=self._source.lanes,
            lanes=self._target.lanes,
            rows_max=self._source.settings.bridge.frame_rows_max,
        )
        places = {place.partition: place for place in spans}
        queues: dict[int, list[Any]] = {lane: [] for lane in places}
        stamp = 0
        while needs := relaning.needs:
            for lane in needs:
                place = places[lane]
                if not queues[lane] and not await self._is_left(place, spans[place]):
                    relaning.end(lane)
                    continue
                if not queues[lane]:
                    queues[lane] = (await self._fetch([place], spans))[::-1]
                record = queues[lane].pop()
                stamp = max(stamp, record.timestamp)
                self.copied.frames += 1
                relaning.give(lane, decode_frame(record.value, extra=True))
            for frame in relaning.take():
                await self._write(frame.lane, encode_frame(frame), stamp)
        for frame in relaning.closing():
            await self._write(frame.lane, encode_frame(frame), stamp)

    async def _write(self, lane: int, value: bytes, stamp: int) -> None:
        await self._writer.write(self._target.readings.name, lane, value, stamp)
        self.copied.written += 1

    async def _spans(
        self, topic: str, partitions: int, since: float | None
    ) -> dict[TopicPartition, _Span]:
        places = _places(topic, partitions)
        begins = await offsets_from(self._consumer, places, since)
        ends = await self._consumer.end_offsets(places)
        self._consumer.assign(places)
        for place in places:
            self._consumer.seek(place, begins[place])
        return {place: _Span(begins[place], ends[place]) for place in places}

    async def _records(
        self, spans: Mapping[TopicPartition, _Span]
    ) -> AsyncIterator[Any]:
        """Yield the records of partitions, each partition's in order."""
        while left := [p for p, span in spans.items() if await self._is_left(p, span)]:
            for record in await self._fetch(left, spans):
                self.copied.frames += record.topic == self._source.readings.name
                yield record

    async def _is_left(self, place: TopicPartition, span: _Span) -> bool:
        return bool(await self._consumer.position(place) < span.end)

    async def _fetch(
        self,
        places: Sequence[TopicPartition],
        spans: Mapping[TopicPartition, _Span],
    ) -> list[Any]:
        """Return some next records, at least one.

        Raises:
            TimeoutError: The broker sends none.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            batch = await self._consumer.getmany(
                *places, timeout_ms=FETCH_MILLISECONDS_MAX, max_records=RECORDS_MAX
            )
            found = [
                record
                for place, records in batch.items()
                for record in records
                if record.offset < spans[place].end
            ]
            await self._tell(spans)
            if found:
                return found
        raise TimeoutError("Kafka does not send the rest of the log")

    async def _tell(self, spans: Mapping[TopicPartition, _Span]) -> None:
        whole = sum(span.end - span.begin for span in spans.values())
        done = sum(
            [await self._consumer.position(p) - s.begin for p, s in spans.items()]
        )
        self._say(min(1.0, done / max(1, whole)))


def _places(topic: str, partitions: int) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in range(partitions)]
