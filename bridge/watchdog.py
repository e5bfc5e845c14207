"""Tells when only a new start may help: messages wait, servers answer, nothing moves.

It looks from outside, over a connection of its own: what JetStream says of this
bridge's lanes is true also when something in here is stuck. A server that is away is
no reason to start again, and time without an answer does not count.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import nats.errors
from aiokafka.errors import KafkaError

from app import connections
from app.errors import SmartMeterError
from app.topology import Topology
from bridge.survey import Survey

__all__ = ["Watchdog", "watching"]

LOOKS_PER_STALL = 4
LOOK_SECONDS_MAX = 10.0
AWAY = (SmartMeterError, KafkaError, nats.errors.Error, OSError, TimeoutError)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Lane:
    """Where a lane had come to, and since when it has not moved."""

    carried: int
    since: float


class Watchdog:
    """Judges lanes by looks at them; trouble is one line, and empty while all move."""

    def __init__(
        self, seconds: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lanes: dict[int, _Lane] = {}
        self.trouble = ""

    def look(
        self, mine: set[int], waiting: Mapping[int, int], carried: Mapping[int, int]
    ) -> None:
        """Take what is said of this bridge's lanes, while NATS and Kafka answer."""
        now = self._clock()
        before, self._lanes = self._lanes, {}
        for lane in mine:
            if not waiting.get(lane):
                continue
            reached = carried.get(lane, 0)
            known = before.get(lane)
            if known is None or known.carried != reached:
                known = _Lane(reached, now)
            self._lanes[lane] = known
        stuck = [
            f"lane {lane}: {waiting[lane]:,} messages wait, none was carried for"
            f" {now - known.since:.0f} s"
            for lane, known in sorted(self._lanes.items())
            if now - known.since >= self._seconds
        ]
        self.trouble = "; ".join(stuck)

    def excuse(self) -> None:
        """Begin anew: a server is away, so that nothing could move."""
        self._lanes = {}
        self.trouble = ""


@asynccontextmanager
async def watching(
    topology: Topology, name: str, watchdog: Watchdog
) -> AsyncIterator[None]:
    """Look at the lanes of the bridge of this name for as long as the block runs."""

    def ended(task: "asyncio.Task[None]") -> None:
        if not task.cancelled():  # a defect: whoever supervises us shall start anew
            watchdog.trouble = f"the watchdog has ended: {task.exception()!r}"
            logger.error("No more looks.", exc_info=task.exception())

    task = asyncio.create_task(_watch(topology, name, watchdog))
    task.add_done_callback(ended)
    try:
        yield
    finally:
        task.cancel()


async def _watch(topology: Topology, name: str, watchdog: Watchdog) -> None:
    seconds = topology.settings.bridge.stalled_seconds
    pause = min(LOOK_SECONDS_MAX, seconds / LOOKS_PER_STALL)
    said = ""
    while True:
        try:
            async with asyncio.timeout(seconds):
                await connections.knock_at_kafka(topology.settings)
                survey = await Survey.take(topology)
        except AWAY as error:
            logger.debug("Not looked: %r.", error)
            watchdog.excuse()
        else:
            mine = survey.roster.owned_by(name)
            watchdog.look(mine, survey.waiting, survey.carried)
        if watchdog.trouble and not said:
            logger.error("No progress: %s.", watchdog.trouble)
        said = watchdog.trouble
        await asyncio.sleep(pause)
