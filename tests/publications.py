"""What was published, by stream sequence: the ground truth of the fault tests.

Readings come in order, out of order within the grace, late beyond it, twice under one
message id (the stream keeps one), twice under two (the stream keeps both), in bursts,
and broken. Each is published until JetStream has acknowledged it.
"""

import asyncio
import random
from dataclasses import dataclass, field

import nats
import nats.errors
from nats.js.errors import Error as JetStreamError

from app.wire.meter import encode_reading

SIZE, GRACE, THRESHOLD = 60, 120, 116.0
BASE = 1_700_000_040  # a multiple of 60
TRY_SECONDS_MAX = 120
IN_FLIGHT_MAX = 200

Reading = tuple[int, int, int, int, float]


@dataclass
class Publications:
    """Acknowledged readings and broken messages by stream sequence."""

    readings: dict[int, Reading] = field(default_factory=dict)
    broken: set[int] = field(default_factory=set)
    repeated: int = 0


@dataclass
class Publisher:
    """Publishes at about a rate until told to stop, then closes all windows."""

    servers: str
    subject: str
    seed: int
    rate: int
    done: Publications = field(default_factory=Publications)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    connected: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Publish until stopping is set."""
        self._chooser = random.Random(self.seed)
        self._number = 0
        self._now = BASE
        self._connection = await nats.connect(
            self.servers,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.5,
            error_cb=_say_nothing,  # its server is killed on purpose
        )
        self._jetstream = self._connection.jetstream(timeout=5)
        self._slots = asyncio.Semaphore(IN_FLIGHT_MAX)
        try:
            async with asyncio.TaskGroup() as group:
                while not self.stopping.is_set():
                    burst = self._chooser.random() < 0.05
                    for _ in range(self.rate // 10 * (4 if burst else 1)):
                        await self._one(group)
                    # Two seconds of event time each tenth of a second.
                    self._now += 2
                    await asyncio.sleep(0 if burst else 0.1)
            async with asyncio.TaskGroup() as group:
                await self._close_windows(group)
        finally:
            await self._connection.close()

    async def _one(self, group: asyncio.TaskGroup) -> None:
        chooser = self._chooser
        self._number += 1
        kind = chooser.random()
        if kind < 0.002:
            await self._send(group, "data.11.1.1", chooser.randbytes(20), None)
            return
        behind = GRACE * 4 if kind < 0.01 else chooser.randrange(GRACE)
        reading = (
            self._now - behind,
            chooser.choice((11, 12, 13)),
            chooser.randint(1, 9),
            chooser.randint(1, 40),
            round(chooser.gauss(116.0, 2.0), 3),
        )
        await self._reading(group, reading)
        if 0.01 <= kind < 0.02:  # the meter sends it again as if it were new
            await self._reading(group, reading)

    async def _close_windows(self, group: asyncio.TaskGroup) -> None:
        end = self._now + 3 * SIZE + GRACE
        for line in (11, 12, 13):
            for transformer in range(1, 10):
                await self._reading(group, (end, line, transformer, 1, 110.0))

    async def _reading(self, group: asyncio.TaskGroup, reading: Reading) -> None:
        timestamp, line, transformer, usagepoint, voltage = reading
        await self._send(
            group,
            f"data.{line}.{transformer}.{usagepoint}",
            encode_reading(timestamp, voltage),
            reading,
        )

    async def _send(
        self,
        group: asyncio.TaskGroup,
        subject: str,
        payload: bytes,
        reading: Reading | None,
    ) -> None:
        self._number += 1
        await self._slots.acquire()
        identity = f"{self.seed}-{self._number}"
        group.create_task(self._until_stored(subject, payload, identity, reading))

    async def _until_stored(
        self, subject: str, payload: bytes, identity: str, reading: Reading | None
    ) -> None:
        try:
            async with asyncio.timeout(TRY_SECONDS_MAX):
                while True:
                    try:
                        answer = await self._jetstream.publish(
                            f"{self.subject}.{subject}",
                            payload,
                            headers={"Nats-Msg-Id": identity},
                        )
                        break
                    except (nats.errors.Error, JetStreamError, OSError):
                        await asyncio.sleep(0.2)
        finally:
            self._slots.release()
        if answer.duplicate:
            self.done.repeated += 1
        if reading is None:
            self.done.broken.add(answer.seq)
        else:
            self.done.readings[answer.seq] = reading


async def _say_nothing(_: Exception) -> None:
    """Take the client's errors, which it would log."""
