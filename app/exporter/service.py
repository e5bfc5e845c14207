"""The exporter as one process: every source, and the health pages."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

import uvloop

from app import logs
from app.exporter.cassandra import CassandraNodes
from app.exporter.kafka import KafkaBrokers
from app.exporter.nats import NatsMonitors
from app.exporter.source import Source
from app.health import serve_health
from app.metrics import cassandra, kafka, nats, servers
from app.metrics.families import Families
from app.settings import Settings
from app.tls import tls_context
from app.topology import Topology

__all__ = ["run"]

logger = logging.getLogger(__name__)


def run(settings: Settings) -> None:
    """Run the exporter in this process, until a signal ends it."""
    logs.configure(settings.log_level)
    # The driver tells each failed attempt with its trace; we tell it once, in a line.
    logging.getLogger("cassandra").setLevel(logging.CRITICAL)
    uvloop.run(serve(settings))


async def serve(settings: Settings, stopping: asyncio.Event | None = None) -> None:
    """Ask the sources and serve the pages until SIGTERM, SIGINT or stopping."""
    stopping = stopping or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    exporter = settings.exporter
    sources, closers = _sources(settings)
    async with AsyncExitStack() as ends:
        for close in closers:
            ends.push_async_callback(close)
        port = await ends.enter_async_context(
            serve_health(
                exporter.host,
                exporter.port,
                settings.web,
                live=lambda: "",
                ready=lambda: "",
            )
        )
        logger.info("Exporter: /metrics on port %s.", port)
        async with asyncio.TaskGroup() as group:
            for source in sources:
                group.create_task(
                    source.watch(
                        exporter.interval_seconds, exporter.timeout_seconds, stopping
                    )
                )


Closers = Sequence[Callable[[], Awaitable[None]]]


def _sources(settings: Settings) -> tuple[list[Source], Closers]:
    topology = Topology(settings)
    exporter = settings.exporter
    brokers = KafkaBrokers(topology)
    nodes = CassandraNodes(topology, exporter.timeout_seconds)
    sources = [Source("kafka", brokers.read), Source("cassandra", nodes.read)]
    families = [kafka.FAMILIES, cassandra.FAMILIES]
    if exporter.addresses:
        streams = {topology.stream, topology.results_stream}
        trust = tls_context("nats", settings.nats)
        monitors = NatsMonitors(exporter.addresses, streams, trust)
        sources.append(Source("nats", monitors.read))
        families.append(nats.FAMILIES)
    for source, declared in zip(sources, families, strict=True):
        Families(declared, source.samples).register()
    servers.families(exporter.process_numbers).register()
    return sources, [brokers.close, nodes.close]
