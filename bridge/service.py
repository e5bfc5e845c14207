"""The bridge as one process: every lane, the weather, the way back, health pages."""

import asyncio
import logging
import random
import signal
from collections.abc import Sequence
from typing import Any, Protocol

import nats
import nats.errors
import uvloop
from aiokafka.errors import KafkaError
from nats.aio.client import Client

from app import logs
from app.errors import SmartMeterError
from app.health import serve_health
from app.metrics import bridge as metrics
from app.settings import Settings
from app.topology import Topology
from bridge.kafka import Kafka
from bridge.kafka_to_nats import KafkaToNats, ensure_results_stream
from bridge.nats_to_kafka import NatsToKafka
from bridge.purge import Purge
from bridge.stream import ensure_stream
from bridge.watermarks import Watermarks
from bridge.weather import WeatherToKafka

__all__ = ["run"]

BACK_OFF_SECONDS_MAX = 10.0
DRAIN_SECONDS_MAX = 8.0
BROKEN = (SmartMeterError, KafkaError, nats.errors.Error, OSError, TimeoutError)

logger = logging.getLogger(__name__)


class Part(Protocol):
    """Something the bridge carries, that begins anew after a break."""

    @property
    def is_reading(self) -> bool:
        """Whether it has begun."""

    def break_off(self, why: str) -> None:
        """Begin anew at the next step."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Carry until stopping is set."""


def run(settings: Settings) -> None:
    """Run the bridge in this process, until a signal ends it."""
    logs.configure(settings.log_level)
    uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    """Run the bridge until SIGTERM or SIGINT, then drain what was taken."""
    topology = Topology(settings)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    parts: list[Part] = []
    client = await _connect(settings, parts, stopping)
    kafka = Kafka(settings)
    try:
        async with serve_health(
            settings.bridge.host,
            settings.bridge.port,
            live=lambda: "",
            ready=lambda: _trouble(client, parts),
        ) as port:
            logger.info("Bridge: health pages on port %s.", port)
            await _retry("start", stopping, lambda: _prepare(client, topology, kafka))
            parts += _parts(topology, client, kafka)
            await _carry(parts, stopping)
    finally:
        await _close(client, kafka)


def _parts(topology: Topology, client: Client, kafka: Kafka) -> list[Part]:
    watermarks = Watermarks(topology.settings.bridge.idle_seconds)
    lanes: list[Part] = [
        NatsToKafka(
            lane, topology=topology, client=client, kafka=kafka, watermarks=watermarks
        )
        for lane in range(topology.lanes)
    ]
    return [
        *lanes,
        WeatherToKafka(topology=topology, client=client, kafka=kafka),
        KafkaToNats(topology=topology, client=client),
        Purge(topology=topology, client=client),
    ]


async def _carry(parts: Sequence[Part], stopping: asyncio.Event) -> None:
    tasks = [asyncio.create_task(_keep(part, stopping)) for part in parts]
    waiting: asyncio.Task[Any] = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
        stopping.set()
        _, left = await asyncio.wait(tasks, timeout=DRAIN_SECONDS_MAX)
        if left:
            logger.warning("%s parts were not drained; they begin anew.", len(left))
        for task in tasks:
            if task.done() and not task.cancelled() and task.exception():
                raise task.exception()  # type: ignore[misc] # it is one, just tested
    finally:
        for task in (waiting, *tasks):
            task.cancel()
        await asyncio.gather(waiting, *tasks, return_exceptions=True)


async def _keep(part: Part, stopping: asyncio.Event) -> None:
    name = type(part).__name__
    await _retry(name, stopping, lambda: part.run(stopping))


async def _retry(name: str, stopping: asyncio.Event, work: Any) -> None:
    attempt = 0
    while not stopping.is_set():
        try:
            await work()
        except* BROKEN as errors:
            attempt += 1
            cause = errors.exceptions[0]
            wait = min(BACK_OFF_SECONDS_MAX, 0.2 * 2 ** min(attempt, 8))
            wait *= 0.5 + random.random() / 2  # noqa: S311 - jitter, not a secret
            logger.warning(
                "%s begins anew in %.1f s: %s %s",
                name,
                wait,
                type(cause).__name__,
                cause,
            )
            if isinstance(cause, SmartMeterError) and not cause.retriable:
                raise
        else:
            return
        try:
            await asyncio.wait_for(stopping.wait(), wait)
        except TimeoutError:
            continue


async def _prepare(client: Client, topology: Topology, kafka: Kafka) -> None:
    await ensure_stream(client.jetstream(), topology)
    await ensure_results_stream(client, topology)
    await kafka.start()


async def _connect(
    settings: Settings, parts: Sequence[Part], stopping: asyncio.Event
) -> Client:
    async def lost() -> None:
        if stopping.is_set():
            return
        metrics.connection_lost()
        logger.warning("The connection to NATS is lost; trying again.")

    async def back() -> None:
        logger.info("The connection to NATS is back.")
        for part in parts:
            part.break_off("the connection to NATS was lost")

    async def error(problem: Exception) -> None:
        logger.debug("NATS: %r", problem)

    return await nats.connect(
        [server.strip() for server in settings.nats.servers.split(",")],
        name=f"{settings.namespace}-bridge",
        connect_timeout=int(settings.nats.connect_timeout_seconds) or 1,
        allow_reconnect=True,
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        ping_interval=5,
        max_outstanding_pings=2,
        pending_size=64 << 20,
        disconnected_cb=lost,
        reconnected_cb=back,
        error_cb=error,
    )


def _trouble(client: Client, parts: Sequence[Part]) -> str:
    if not client.is_connected:
        return "no connection to NATS"
    waiting = [type(part).__name__ for part in parts if not part.is_reading]
    if not parts or waiting:
        return f"not reading yet: {', '.join(waiting) or 'Kafka is not connected'}"
    return ""


async def _close(client: Client, kafka: Kafka) -> None:
    try:
        async with asyncio.timeout(DRAIN_SECONDS_MAX):
            await kafka.stop()
            await client.flush(timeout=2)
    except (TimeoutError, nats.errors.Error, KafkaError) as error:
        logger.warning("Not everything was flushed: %r", error)
    finally:
        await client.close()
