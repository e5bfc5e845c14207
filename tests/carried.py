"""What was published to the bridge, and what Kafka has of it, row by row."""

import asyncio
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

import nats
import nats.errors
import numpy as np
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from app import connections
from app.domain.readings import lane_of
from app.topology import Topology
from app.wire.frames import decode_frame
from app.wire.meter import encode_reading

__all__ = ["Carried", "Publisher", "carried"]

METERS_PER_TRANSFORMER = 10


@dataclass
class Publisher:
    """Publishes readings of many meters, each once, whatever happens to the server.

    A chunk holds one reading of each meter and is acknowledged before the next, so that
    a meter's readings are stored in the order of their times. `stored` has, by stream
    sequence, what was published.
    """

    topology: Topology
    readings: int
    meters: int = 400
    per_second: float = 0.0
    epoch: int = 1_700_000_000
    stored: dict[int, tuple[int, int, int, int, float]] = field(default_factory=dict)
    error: BaseException | None = None

    def __post_init__(self):
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> "Publisher":
        self._thread.start()
        return self

    def join(self, seconds_max: float = 600) -> None:
        self._thread.join(seconds_max)
        assert not self._thread.is_alive(), f"{len(self.stored)} stored"
        if self.error:
            raise self.error

    def wait_for(self, count: int, seconds_max: float = 300) -> None:
        deadline = time.monotonic() + seconds_max
        while len(self.stored) < count:
            assert not self.error
            assert time.monotonic() < deadline, f"{len(self.stored)} of {count} stored"
            time.sleep(0.02)

    def _run(self) -> None:
        try:
            asyncio.run(self._publish_all())
        except BaseException as error:
            self.error = error

    async def _publish_all(self) -> None:
        began = time.monotonic()
        for start in range(0, self.readings, self.meters):
            numbers = range(start, min(start + self.meters, self.readings))
            await self._publish([self._reading(number) for number in numbers])
            if self.per_second:
                due = began + start / self.per_second
                await asyncio.sleep(max(0.0, due - time.monotonic()))
        await self._close()

    def _reading(self, number: int) -> tuple[int, int, int, int, float]:
        meter = number % self.meters
        transformer, usagepoint = divmod(meter, METERS_PER_TRANSFORMER)
        line, transformer = divmod(transformer, 20)
        timestamp = self.epoch + number // self.meters
        voltage = float(np.float32(100 + number % 3_000 / 100))
        return line + 1, transformer + 1, usagepoint + 1, timestamp, voltage

    _connection = None

    async def _close(self) -> None:
        if self._connection:
            await self._connection.close()
            self._connection = None

    async def _publish(self, chunk) -> None:
        """Store a chunk; what got no answer is sent again under the same identity."""
        left = dict(enumerate(chunk))
        while left:
            try:
                if self._connection is None:
                    self._connection = await asyncio.wait_for(self._connect(), 5)
                acks = await asyncio.gather(
                    *map(self._publish_one, left.values()), return_exceptions=True
                )
            except (nats.errors.Error, OSError, TimeoutError):
                await self._drop()
                continue
            for key, ack in zip(list(left), acks, strict=True):
                if not isinstance(ack, BaseException):
                    self.stored[ack.seq] = left.pop(key)
            if left:
                await self._drop()

    async def _connect(self):
        async def quiet(_):
            """Outages are what the test makes."""

        return await nats.connect(
            connections.nats_servers(self.topology.settings),
            allow_reconnect=False,
            connect_timeout=2,
            ping_interval=1,
            error_cb=quiet,
        )

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            with suppress(nats.errors.Error, OSError, TimeoutError):
                await asyncio.wait_for(connection.close(), 1)
        await asyncio.sleep(0.2)

    async def _publish_one(self, reading):
        line, transformer, usagepoint, timestamp, voltage = reading
        subject = f"{self.topology.subject}.data.{line}.{transformer}.{usagepoint}"
        return await self._connection.jetstream().publish(
            subject,
            encode_reading(timestamp, voltage),
            timeout=5,
            headers={"Nats-Msg-Id": f"{line}.{transformer}.{usagepoint}.{timestamp}"},
        )


@dataclass
class Carried:
    """The rows of the readings topic, as (lane, sequence, reading), in log order."""

    rows: list[tuple[int, int, tuple[int, int, int, int, float]]]
    terms: dict[int, int]
    watermarks: dict[int, int]

    def check(self, stored) -> None:
        """Fail unless every stored reading is here once, intact and in order."""
        sequences = [sequence for _, sequence, _ in self.rows]
        missing = set(stored) - set(sequences)
        assert not missing, f"{len(missing)} lost, e.g. {sorted(missing)[:5]}"
        assert len(sequences) == len(set(sequences)), (
            f"{len(sequences) - len(set(sequences))} twice"
        )
        assert len(stored) == len(sequences), "rows that nobody published"
        last_of_lane: dict[int, int] = {}
        last_of_meter: dict[tuple[int, int, int], int] = {}
        for lane, sequence, reading in self.rows:
            assert last_of_lane.get(lane, 0) < sequence, "a lane's order is broken"
            last_of_lane[lane] = sequence
            assert stored[sequence] == reading
            meter, timestamp = reading[:3], reading[3]
            assert last_of_meter.get(meter, 0) < timestamp, "a meter's order is broken"
            last_of_meter[meter] = timestamp
            assert lane == lane_of(*meter[:2], 8)


def carried(topology: Topology) -> Carried:
    """Return what Kafka has."""
    return asyncio.run(_carried(topology))


async def _carried(topology: Topology) -> Carried:
    consumer = AIOKafkaConsumer(
        **connections.kafka_options(topology.settings), enable_auto_commit=False
    )
    await consumer.start()
    found = Carried([], {}, {})
    try:
        name = topology.readings.name
        places = [TopicPartition(name, lane) for lane in range(topology.lanes)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        for place, begin in (await consumer.beginning_offsets(places)).items():
            consumer.seek(place, begin)
        while any([await consumer.position(place) < ends[place] for place in places]):
            for place, records in (await consumer.getmany(timeout_ms=500)).items():
                for record in records:
                    _add(found, place.partition, decode_frame(record.value))
    finally:
        await consumer.stop()
    return found


def _add(found: Carried, lane: int, frame) -> None:
    assert lane == frame.lane
    if not frame.last and frame.watermark < 0:
        found.terms[lane] = found.terms.get(lane, 0) + 1
        return
    before = found.watermarks.get(lane, frame.watermark)
    assert before <= frame.watermark, "a watermark fell"
    found.watermarks[lane] = frame.watermark
    columns = frame.readings
    found.rows += [
        (lane, sequence, reading)
        for sequence, *reading_columns in zip(
            columns.sequence.tolist(),
            columns.line.tolist(),
            columns.transformer.tolist(),
            columns.usagepoint.tolist(),
            columns.timestamp.tolist(),
            columns.voltage.tolist(),
            strict=True,
        )
        for reading in (tuple(reading_columns),)
    ]
