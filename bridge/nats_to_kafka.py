"""A lane's messages to frames in Kafka, exactly where the last frame ended.

What has been written is asked of Kafka, never remembered elsewhere: a lane begins with
its last frame, takes the messages behind it, and acknowledges them to JetStream once
Kafka has acknowledged theirs. After any break it begins anew the same way.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from nats.aio.client import Client

from app.domain.readings import Readings
from app.metrics import bridge as metrics
from app.topology import Topology
from app.wire.events import DeadLetter, encode_dead_letter
from app.wire.frames import Frame, encode_frame
from app.wire.meter import Limits, RawMessage, ReadingDecoder, Rejected
from bridge import stream
from bridge.kafka import Kafka, LastFrame
from bridge.lane import Batch, Pull
from bridge.watermarks import Watermarks

__all__ = ["NatsToKafka", "dead_letter", "frames_of"]

FIRST_WAIT_SECONDS = 0.5


@dataclass(slots=True)
class _Sent:
    """What was sent to Kafka for one batch, and what acknowledges the batch to NATS."""

    ack_subject: str
    arrival: float
    writes: list[Any] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)


class NatsToKafka:
    """One lane of the bridge."""

    def __init__(
        self,
        lane: int,
        *,
        topology: Topology,
        client: Client,
        kafka: Kafka,
        watermarks: Watermarks,
    ) -> None:
        self._lane = lane
        self._topology = topology
        self._settings = topology.settings.bridge
        self._client = client
        self._kafka = kafka
        self._watermarks = watermarks
        self._decoder = ReadingDecoder(
            topology.lane_subject, Limits.from_settings(topology.settings)
        )
        self._pull: Pull | None = None
        self._last = 0

    @property
    def is_reading(self) -> bool:
        """Whether the lane has begun and not broken off."""
        return self._pull is not None

    def break_off(self, why: str) -> None:
        """Begin anew at the next step."""
        if self._pull:
            self._pull.break_off(why)

    async def run(self, stopping: asyncio.Event) -> None:
        """Carry the lane until stopping is set; what was taken is carried to its end.

        Raises:
            OrderBroken, KafkaError, nats.errors.Error: The lane must begin anew.
        """
        last: LastFrame = await self._kafka.last_frame(
            self._topology.readings, self._lane
        )
        self._last = last.sequence
        self._watermarks.restore(self._lane, last.watermark)
        ahead = 4 * self._settings.frame_rows_max
        in_flight = self._settings.in_flight_frames_max
        info = await stream.renew_lane_consumer(
            self._client.jetstream(),
            self._topology,
            self._lane,
            after=last.sequence,
            ack_pending_max=ahead + (in_flight + 2) * self._settings.frame_rows_max,
        )
        sent: asyncio.Queue[_Sent | None] = asyncio.Queue(in_flight)
        try:
            async with (
                Pull(self._client, info, ahead=ahead) as pull,
                asyncio.TaskGroup() as group,
            ):
                self._pull = pull
                group.create_task(self._read(pull, sent, stopping))
                group.create_task(self._acknowledge(pull, sent))
        finally:
            self._pull = None

    async def _read(
        self, pull: Pull, sent: "asyncio.Queue[_Sent | None]", stopping: asyncio.Event
    ) -> None:
        wait = min(FIRST_WAIT_SECONDS, self._settings.idle_seconds / 2)
        while not stopping.is_set():
            batch, replies = await pull.take(
                self._settings.frame_rows_max,
                first_seconds=wait,
                more_seconds=self._settings.frame_milliseconds_max / 1_000,
            )
            if batch:
                await sent.put(await self._send(batch, replies[-1]))
            elif pull.is_drained and self._client.is_connected:
                await self._send_idle()
        await sent.put(None)

    async def _send(self, batch: Batch, ack_subject: str) -> _Sent:
        fresh = [message for message in batch if message.sequence > self._last]
        sent = _Sent(ack_subject, batch[0].arrival)
        if not fresh:
            return sent
        readings, rejected = self._decoder.decode(fresh)
        sent.reasons.update(item.reason.value for item in rejected)
        topology = self._topology
        for item in rejected:
            value = encode_dead_letter(dead_letter(item, topology.stream))
            sent.writes.append(await self._kafka.send(topology.dead_letters, 0, value))
        sent.frames = list(
            frames_of(self._lane, fresh, readings, self._settings.frame_rows_max)
        )
        for number, frame in enumerate(sent.frames):
            latest = frame.watermark
            if len(frame.readings):
                latest = self._watermarks.advance(
                    self._lane, latest, now=time.monotonic()
                )
            else:
                latest = self._watermarks.of(self._lane)
            stamped = Frame(
                lane=frame.lane,
                first=frame.first,
                last=frame.last,
                watermark=latest,
                readings=frame.readings,
            )
            sent.frames[number] = stamped
            value = encode_frame(stamped)
            sent.writes.append(
                await self._kafka.send(topology.readings, self._lane, value)
            )
        self._last = fresh[-1].sequence
        return sent

    async def _send_idle(self) -> None:
        watermark = self._watermarks.follow(self._lane, now=time.monotonic())
        if watermark is None:
            return
        frame = Frame(
            lane=self._lane,
            first=self._last,
            last=self._last,
            watermark=watermark,
            readings=Readings.empty(),
        )
        topic = self._topology.readings
        await (await self._kafka.send(topic, self._lane, encode_frame(frame)))
        metrics.idle_frame_written(self._lane, watermark)

    async def _acknowledge(
        self, pull: Pull, queue: "asyncio.Queue[_Sent | None]"
    ) -> None:
        while (sent := await queue.get()) is not None:
            metrics.lane_read(self._lane, pull.pending + pull.taken, sent.arrival)
            for write in sent.writes:
                await write
            await self._client.publish(sent.ack_subject, b"+ACK")
            metrics.dead_letters_written(sent.reasons)
            for frame in sent.frames:
                metrics.frame_acknowledged(
                    self._lane, len(frame.readings), frame.watermark, sent.arrival
                )
            if queue.empty():
                metrics.lane_read(self._lane, pull.pending + pull.taken, 0.0)


def dead_letter(item: Rejected, stream_name: str) -> DeadLetter:
    """Return a rejected message as a dead letter."""
    return DeadLetter(
        reason=item.reason,
        detail=item.detail,
        subject=item.message.subject,
        stream=stream_name,
        sequence=item.message.sequence,
        arrival=item.message.arrival,
        payload=item.message.payload,
    )


def frames_of(
    lane: int, messages: list[RawMessage], readings: Readings, rows_max: int
) -> Iterator[Frame]:
    """Cut readings into frames between messages; the watermark is their latest time.

    The last frame covers the last message even if nothing of it could be used; without
    any reading it is empty.
    """
    begin = 0
    first, last = messages[0].sequence, messages[-1].sequence
    while len(readings) - begin > rows_max:
        end = begin + rows_max
        # A message's rows share its sequence, and stay together.
        cut = int(np.searchsorted(readings.sequence, readings.sequence[end]))
        if cut <= begin:
            cut = int(
                np.searchsorted(readings.sequence, readings.sequence[end], "right")
            )
        part = readings.take(slice(begin, cut))
        reached = int(part.sequence[-1])
        yield _frame(lane, first, reached, part)
        begin, first = cut, reached + 1
        if begin == len(readings):
            break
    yield _frame(lane, first, last, readings.take(slice(begin, None)))


def _frame(lane: int, first: int, last: int, readings: Readings) -> Frame:
    latest = int(readings.timestamp.max()) if len(readings) else 0
    return Frame(lane=lane, first=first, last=last, watermark=latest, readings=readings)
