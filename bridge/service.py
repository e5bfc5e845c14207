"""The bridge as one process: its share of the lanes, the way back, health pages."""

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import nats.errors
import uvloop

from app import connections, logs
from app.errors import NatsUnavailable
from app.health import serve_health
from app.metrics import bridge as metrics
from app.settings import Settings
from app.topology import Topology
from bridge.kafka import Kafka
from bridge.kafka_to_nats import KafkaToNats, ensure_results_stream
from bridge.lane_end import carried_so_far
from bridge.lanes import Lanes
from bridge.link import Link
from bridge.membership import Membership, ensure_bucket, new_life
from bridge.nats_to_kafka import NatsToKafka
from bridge.purge import Purge
from bridge.roster import Reached
from bridge.stream import ensure_stream
from bridge.supervision import Part, Trouble, keep
from bridge.watchdog import Watchdog, watching
from bridge.watermarks import Watermarks
from bridge.weather import WeatherToKafka

__all__ = ["Bridge", "run"]

DRAIN_SECONDS_MAX = 5.0
CLOSE_SECONDS_MAX = 1.5
END_SECONDS_MAX = 9.5
LOOK_SECONDS = 0.2
PING_SECONDS = 2
PENDING_BYTES_MAX = 64 << 20
FIRST_LANE = 0  # its owner also carries what is in no lane

logger = logging.getLogger(__name__)


def run(settings: Settings, may: frozenset[int] | None = None) -> None:
    """Run the bridge in this process, until a signal ends it.

    Raises:
        FatalError: It cannot go on; says why.
    """
    logs.configure(settings.log_level)
    # Its errors are one line a try; what keeps a part from its work, we say once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    uvloop.run(_serve(settings, may))


async def _serve(settings: Settings, may: frozenset[int] | None) -> None:
    """Run the bridge until SIGTERM or SIGINT, then carry to its end what was taken."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopping.set()
        loop.call_later(END_SECONDS_MAX, _end_at_once)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    await Bridge(settings, may).run(stopping)


def _end_at_once() -> None:
    """End as SIGKILL would, which loses nothing: some client does not let us go."""
    logger.warning("Not ended in %.0f s: ending at once.", END_SECONDS_MAX)
    sys.stdout.flush()
    os._exit(1)


class Bridge:
    """One bridge process: sessions, one after the other, each with one connection."""

    def __init__(self, settings: Settings, may: frozenset[int] | None = None) -> None:
        """Make a bridge that may carry some lanes, or all of them."""
        self._settings = settings
        self._topology = Topology(settings)
        self._watermarks = Watermarks(settings.bridge.idle_seconds)
        section = settings.bridge
        self._name = section.identity or f"{socket.gethostname()}:{section.port}"
        self._watchdog = Watchdog(section.stalled_seconds)
        self._membership = Membership(
            topology=self._topology,
            name=self._name,
            life=new_life(),
            may=may,
            reached=self._reached,
            heard=self._hear,
        )
        self._trouble = Trouble()
        self._session: _Session | None = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Carry until stopping is set.

        Raises:
            FatalError: It cannot go on; says why.
        """
        section = self._settings.bridge
        async with serve_health(
            section.host,
            section.port,
            self._settings.web,
            live=lambda: self._watchdog.trouble,
            ready=self._not_ready,
        ) as port:
            logger.info("Bridge: health pages on port %s.", port)
            async with watching(self._topology, self._name, self._watchdog):
                await keep("bridge", self._run_session, stopping, self._trouble)

    def _not_ready(self) -> str:
        if self._trouble.text:
            return self._trouble.text
        return self._session.trouble if self._session else "not connected yet"

    def _reached(self, lanes: set[int]) -> Mapping[int, Reached]:
        return self._watermarks.said(lanes, now=time.monotonic())

    def _hear(self, said: Mapping[int, Reached]) -> None:
        self._watermarks.hear(said, now=time.monotonic())

    async def _run_session(self, stopping: asyncio.Event) -> None:
        async with self._connected() as link:
            kafka = Kafka(
                self._settings, [self._topology.dead_letters, self._topology.weather]
            )
            try:
                self._session = _Session(
                    self._topology, link, kafka, self._watermarks, self._membership
                )
                await self._session.run(stopping)
            finally:
                self._session = None
                await kafka.close()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Link]:
        await connections.knock_at_kafka(self._settings)
        link = Link()
        try:
            await connections.connect_nats(
                link,
                self._settings,
                name=f"{self._settings.namespace}-bridge",
                ping_interval=PING_SECONDS,
                max_outstanding_pings=2,
                pending_size=PENDING_BYTES_MAX,
            )
            yield link
        finally:
            try:
                async with asyncio.timeout(CLOSE_SECONDS_MAX):
                    await link.close()
            except (TimeoutError, OSError, nats.errors.Error):
                link.drop()


class _Session:
    """What the bridge does over one connection to NATS."""

    def __init__(
        self,
        topology: Topology,
        link: Link,
        kafka: Kafka,
        watermarks: Watermarks,
        membership: Membership,
    ) -> None:
        self._topology = topology
        self._link = link
        self._kafka = kafka
        self._watermarks = watermarks
        self._membership = membership
        self._lanes = Lanes(self._parts_of, membership.poke.set)
        self._results = KafkaToNats(topology=topology, link=link)
        self._results_trouble = Trouble()

    @property
    def trouble(self) -> str:
        """What keeps this session from its work; empty if nothing does."""
        if not self._link.is_connected:
            return "no connection to NATS"
        if not self._membership.is_member:
            return "not among the bridges yet"
        return (
            self._lanes.trouble
            or self._results_trouble.text
            or ("" if self._results.is_reading else "results are not read yet")
        )

    async def run(self, stopping: asyncio.Event) -> None:
        """Carry until stopping is set, or until the connection is lost.

        Raises:
            SmartMeterError, KafkaError, nats.errors.Error, TimeoutError: Connect again.
        """
        topology, link = self._topology, self._link
        await ensure_stream(
            link.jetstream(), topology, carried=lambda: carried_so_far(topology)
        )
        await ensure_results_stream(link, topology)
        bucket = await ensure_bucket(link, topology)
        ending = asyncio.Event()
        member = self._membership.run(bucket, self._lanes, ending)
        results = keep("results", self._results.run, ending, self._results_trouble)
        tasks = [asyncio.create_task(work) for work in (member, results)]
        ends: list[asyncio.Future[Any]] = [
            asyncio.create_task(self._cut()),
            asyncio.create_task(stopping.wait()),
            self._lanes.failed,
        ]
        try:
            await asyncio.wait([*tasks, *ends], return_when=asyncio.FIRST_COMPLETED)
            if stopping.is_set():
                await self._drain(bucket, ending, tasks)
        finally:
            ending.set()
            for task in (*tasks, *ends):
                task.cancel()
            await self._lanes.drop(self._lanes.carried)
            await asyncio.wait([*tasks, *ends], timeout=CLOSE_SECONDS_MAX)
        for ended in (*tasks, *ends):
            if ended.done() and not ended.cancelled() and (error := ended.exception()):
                raise error

    async def _drain(
        self, bucket: object, ending: asyncio.Event, tasks: "list[asyncio.Task[None]]"
    ) -> None:
        self._membership.give_all_up()
        late = await self._lanes.leave_all(DRAIN_SECONDS_MAX)
        if late:
            logger.warning("%s lanes were not drained; they begin anew.", late)
        ending.set()
        await asyncio.wait(tasks, timeout=CLOSE_SECONDS_MAX)
        with suppress(nats.errors.Error, TimeoutError):
            await self._membership.retire(bucket)
            await self._link.flush(timeout=1)

    async def _cut(self) -> None:
        # A client that cannot even close says so here, and by no callback.
        while self._link.is_connected:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)
        metrics.connection_lost()
        raise NatsUnavailable("the connection to NATS is lost")

    def _parts_of(self, lane: int) -> list[Part]:
        topology, link, kafka = self._topology, self._link, self._kafka
        parts: list[Part] = [
            NatsToKafka(
                lane,
                topology=topology,
                link=link,
                kafka=kafka,
                watermarks=self._watermarks,
                guard=self._membership.guard,
            )
        ]
        if lane == FIRST_LANE:
            parts.append(WeatherToKafka(topology=topology, link=link, kafka=kafka))
            parts.append(Purge(topology=topology, link=link))
        return parts
