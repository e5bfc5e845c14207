"""A lane's messages to frames in Kafka, exactly where the last frame ended.

What has been written is asked of Kafka, never remembered elsewhere: a lane begins a
term in its log, takes the messages behind the log's end, and acknowledges them to
JetStream once Kafka has acknowledged theirs. After any break it begins anew the same
way.
"""

import asyncio
from collections.abc import Callable

from app.metrics import bridge as metrics
from app.topology import Topology
from bridge import stream
from bridge.framing import Framing, Ready
from bridge.kafka import Kafka
from bridge.lane_log import LaneLog
from bridge.link import Link
from bridge.pull import Pull
from bridge.watermarks import Watermarks

__all__ = ["NatsToKafka"]

FIRST_WAIT_SECONDS = 0.5
BATCH_BYTES_MAX = 1 << 20
AHEAD_FRAMES = 4


class NatsToKafka:
    """One lane of the bridge, for as long as this bridge owns it."""

    def __init__(
        self,
        lane: int,
        *,
        topology: Topology,
        link: Link,
        kafka: Kafka,
        watermarks: Watermarks,
        guard: Callable[[], None] = lambda: None,
    ) -> None:
        """Make a lane; what `guard` raises when asked before each write, ends it."""
        self._lane = lane
        self._topology = topology
        self._settings = topology.settings.bridge
        self._link = link
        self._kafka = kafka
        self._watermarks = watermarks
        self._guard = guard
        self._pull: Pull | None = None
        self._unanswered: list[Ready] = []

    @property
    def is_reading(self) -> bool:
        """Whether the lane has begun and not broken off."""
        return self._pull is not None

    async def run(self, stopping: asyncio.Event) -> None:
        """Carry the lane until stopping is set; what was taken is carried to its end.

        Raises:
            SmartMeterError, KafkaError, nats.errors.Error, OSError, TimeoutError: The
                lane must begin anew, or is another's.
        """
        log = LaneLog(self._topology, self._lane, self._guard)
        metrics.lane_taken(self._lane)
        try:
            end = await log.begin()
            self._watermarks.restore(self._lane, end.watermark)
            framing = Framing(self._topology, self._lane, self._watermarks)
            framing.last = end.sequence
            # One batch, all or none of it: what broke off may have been written.
            self._note([r for r in self._unanswered if r.last <= end.sequence])
            self._unanswered = []
            await self._carry(log, framing, stopping)
        finally:
            self._pull = None
            metrics.lane_left(self._lane)
            await log.close()

    async def _carry(
        self, log: LaneLog, framing: Framing, stopping: asyncio.Event
    ) -> None:
        rows_max = self._settings.frame_rows_max
        ahead = AHEAD_FRAMES * rows_max
        ready_max = self._settings.in_flight_frames_max
        info = await stream.renew_lane_consumer(
            self._link.jetstream(),
            self._topology,
            self._lane,
            after=framing.last,
            ack_pending_max=ahead + (2 * ready_max + 2) * rows_max,
        )
        queue: asyncio.Queue[Ready | None] = asyncio.Queue(ready_max)
        async with (
            Pull(self._link, info, ahead=ahead) as self._pull,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(self._read(self._pull, framing, queue, stopping))
            group.create_task(self._write(self._pull, log, queue))

    async def _read(
        self,
        pull: Pull,
        framing: Framing,
        queue: "asyncio.Queue[Ready | None]",
        stopping: asyncio.Event,
    ) -> None:
        """Make messages ready for Kafka, ahead of what is being written."""
        wait = min(FIRST_WAIT_SECONDS, self._settings.idle_seconds / 2)
        while not stopping.is_set():
            messages, replies = await pull.take(
                self._settings.frame_rows_max,
                first_seconds=wait,
                more_seconds=self._settings.frame_milliseconds_max / 1_000,
            )
            ready = None
            if replies:
                ready = framing.messages(messages, replies[-1])
            elif pull.is_drained:
                ready = framing.idle()
            if ready:
                await queue.put(ready)
        await queue.put(None)

    async def _write(
        self, pull: Pull, log: LaneLog, queue: "asyncio.Queue[Ready | None]"
    ) -> None:
        """Write what is ready, one batch after the other."""
        ended = False
        while not ended:
            group, ended = await _group(queue)
            if not group:
                continue
            behind = pull.pending + pull.waiting
            unwritten = sum(sum(ready.rows) for ready in group)
            metrics.lane_read(self._lane, behind + unwritten, group[0].arrival)
            await self._write_group(log, group)
            if queue.empty():
                metrics.lane_read(self._lane, pull.pending + pull.waiting, 0.0)

    async def _write_group(self, log: LaneLog, group: list[Ready]) -> None:
        self._unanswered = group
        letters = [letter for ready in group for letter in ready.letters]
        if letters:
            topic = self._topology.dead_letters
            await self._kafka.send((topic, 0, letter) for letter in letters)
        frames = [frame for ready in group for frame in ready.frames]
        if frames:
            await log.append(frames)
        acks = [ready.ack_subject for ready in group if ready.ack_subject]
        if acks:
            await self._link.publish(acks[-1], b"+ACK")
        self._unanswered = []
        self._note(group)

    def _note(self, written: list[Ready]) -> None:
        for ready in written:
            metrics.frames_acknowledged(
                self._lane, ready.rows, ready.watermark, ready.arrival
            )
            metrics.dead_letters_written(ready.reasons)


async def _group(queue: "asyncio.Queue[Ready | None]") -> tuple[list[Ready], bool]:
    """Wait for what is ready; return what one batch takes, and whether that is all."""
    group: list[Ready] = []
    size = 0
    item = await queue.get()
    while item is not None:
        group.append(item)
        size += item.size
        if queue.empty() or size >= BATCH_BYTES_MAX:
            return group, False
        item = queue.get_nowait()
    return group, True
