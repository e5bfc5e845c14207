"""The live stage as a Faust app: `faust -A app worker`, or `smartmeter worker`.

`SmartMeter` is also the class of the archive stage (app/archive.py). It gives agents
and tables what both need: the settings, the names, raw channels, and one way to stop
at once when a guarantee can no longer be kept.
"""

import asyncio
import gc
import importlib
import logging
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import faust
import uvloop
from aiokafka.errors import KafkaError
from mode.utils.queues import FlowControlEvent

from app import logs, settings
from app.errors import FatalError, SmartMeterError
from app.sensor import FaustSensor
from app.settings.sections import Kafka
from app.tls import pages_context
from app.topology import Topic, Topology
from app.transport import Transport, credentials

__all__ = ["Result", "SmartMeter", "app", "create_app", "run"]

AGENTS = ("windows", "fleet", "forecast", "alerts")
LIVE_MODULES = [*(f"agents.{name}" for name in AGENTS), "app.views.live"]
TOPICS = "app.topics"  # by name: it stands above this module
PRODUCER_LINGER_SECONDS = 0.005
FETCH_BYTES_MAX = 2 << 20
# A broker that has just started knows few of its topics: whoever shares the lanes out
# then shares out none, and mends it when it hears of them, 5 minutes later by default.
METADATA_MILLISECONDS_MAX = 5_000
STREAM_BUFFER_FRAMES = (
    1_024  # at 256 the lanes were paused and asked for again: 275,000/s, not 470,000
)


Result = tuple[Topic, int, bytes]
"""A topic, a partition of it, and a value for it."""

logger = logging.getLogger(__name__)


class Flow(FlowControlEvent):
    """Faust's flow control, without a loss.

    Faust empties the agents' queues when it resumes them after a recovery, and by then
    has begun to fill them: what was in them would never come again (seen with 8 of 24
    records). They are empty since the rebalance began, so there is nothing to clear.
    The journals' queue is cleared: a record fetched for an earlier recovery may still
    reach it, and would stand before those that it follows.
    """

    def __init__(self, journals: Callable[[], None], **options: Any) -> None:
        super().__init__(**options)
        self._clear_journals = journals

    def resume(self) -> None:
        """Let records into the queues again."""
        self._suspend.clear()
        self._resume.set()
        self._clear_journals()


class SmartMeter(faust.App):
    """A stage of smart-meter: a Faust app that knows its settings and names."""

    smartmeter: settings.Settings

    @cached_property
    def flow_control(self) -> Flow:
        """What holds records back while lanes change hands."""
        return Flow(self._clear_journals, loop=self.loop)

    def _clear_journals(self) -> None:
        if self.tables:
            self.tables.changelog_queue.clear()

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    @cached_property
    def topology(self) -> Topology:
        """The names of this deployment."""
        return Topology(self.smartmeter)

    @cached_property
    def owner(self) -> str:
        """A name for this life of this worker: no other process ever has it."""
        return f"{self.conf.web_host}:{self.conf.web_port}/{os.urandom(6).hex()}"

    @cached_property
    def _channels(self) -> dict[str, Any]:
        return {}

    def channel_for(self, *topics: Topic) -> Any:
        """Return the Faust channel of topics whose values stay bytes."""
        name = ",".join(topic.name for topic in topics)
        if name not in self._channels:
            self._channels[name] = self.topic(
                *(topic.name for topic in topics),
                key_type=bytes,
                value_type=bytes,
                key_serializer="raw",
                value_serializer="raw",
                partitions=topics[0].partitions,
                internal=False,
            )
        return self._channels[name]

    async def publish(self, results: Iterable[Result]) -> None:
        """Send values in their order, and wait until the broker has them all.

        What is published first is sent first, also where the first has to wait: groups
        overtook each other while the producer learnt of a topic's new leader, and the
        fleet took the maximum of the lane that came late for a repeat.

        Raises:
            KafkaError: The broker refused one, or did not answer in time.
        """
        async with self._one_by_one:
            sent = [
                await self.channel_for(topic).send(value=value, partition=partition)
                for topic, partition, value in results
            ]
        await asyncio.gather(*sent)

    @cached_property
    def _one_by_one(self) -> asyncio.Lock:
        return asyncio.Lock()  # whoever waits longest is next

    async def on_first_start(self) -> None:
        """Check the topics: Faust would wait for a missing one, and not say so."""
        topics = importlib.import_module(TOPICS)
        try:
            await topics.require_topics(self.smartmeter, group=self.conf.id)
        except SmartMeterError as error:
            self.fail(error)
        await super().on_first_start()

    def fail(self, error: BaseException) -> None:
        """Stop this process at once, before anything more is acknowledged.

        Faust acknowledges on its way out of an exception, so an orderly exit would
        commit what was never made durable.
        """
        # A reason that we know says it all; a defect needs its trace.
        known = isinstance(error, SmartMeterError | KafkaError)
        trace = None if known else error
        logger.critical("Stopping at once: %s", error, exc_info=trace)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(error.exit_code if isinstance(error, FatalError) else 1)

    def on_rebalance_start(self) -> None:
        """Suspend every journaled table: its partitions may soon be another's."""
        for table in self.tables.values():
            suspend = getattr(table, "suspend", None)
            if suspend:
                suspend()
        super().on_rebalance_start()


# mode would log each start and stop of a service under the module's own name.
SmartMeter.logger = logging.getLogger("mode.smartmeter")


Stage = TypeVar("Stage", bound=SmartMeter)


def create_app(
    values: settings.Settings,
    *,
    group: str,
    web_host: str,
    web_bind: str,
    web_port: int,
    identity: str,
    autodiscover: list[str],
    kind: type[Stage] = SmartMeter,
    **options: Any,
) -> Stage:
    """Return a stage's Faust app; nothing is connected yet.

    kind is the class of the app, options are Faust settings of this stage alone.
    """
    stage = kind(
        group,
        origin=__name__,
        autodiscover=autodiscover,
        # Faust makes this folder, and a memory store leaves it empty.
        datadir=Path(tempfile.gettempdir()) / f"{group}-{web_port}",
        consumer_group_instance_id=identity or f"{web_host}-{web_port}",
        web_host=web_host,
        web_bind=web_bind,
        web_port=web_port,
        web_tables_enabled=False,  # Faust's own pages show data to anybody who asks
        web_router_enabled=False,
        web_ssl_context=pages_context(values.web),
        canonical_url=f"{values.web.scheme}://{web_host}:{web_port}",
        worker_redirect_stdouts=False,
        broker_credentials=credentials(values),
        **{**_kafka_options(values.kafka), **options},
    )
    stage.smartmeter = values
    stage.sensors.add(FaustSensor(stage))
    return stage


def _kafka_options(kafka: Kafka) -> dict[str, Any]:
    """Return how Faust is to use Kafka; the reasons are in ARCHITECTURE.md."""
    return {
        "broker": [f"kafka://{server.strip()}" for server in kafka.servers.split(",")],
        "store": "memory://",
        "topic_partitions": kafka.lanes,
        "topic_replication_factor": kafka.replication_factor,
        "topic_allow_declare": False,  # `smartmeter topics` creates them, and checks
        "topic_disable_leader": True,
        "table_standby_replicas": 0,
        "processing_guarantee": "at_least_once",
        "stream_buffer_maxsize": STREAM_BUFFER_FRAMES,
        "stream_publish_on_commit": False,
        "consumer_auto_offset_reset": "earliest",
        "consumer_max_fetch_size": FETCH_BYTES_MAX,
        "consumer_metadata_max_age_ms": METADATA_MILLISECONDS_MAX,
        "broker_commit_interval": 1.0,
        "broker_session_timeout": kafka.session_timeout_seconds,
        "broker_heartbeat_interval": kafka.session_timeout_seconds / 5,
        "broker_request_timeout": max(
            kafka.request_timeout_seconds, kafka.session_timeout_seconds
        ),
        "producer_acks": -1,
        "producer_linger": PRODUCER_LINGER_SECONDS,
        "producer_max_batch_size": 1 << 20,
        "producer_max_request_size": 4 << 20,
        "producer_request_timeout": kafka.request_timeout_seconds,
    }


def run(stage: SmartMeter) -> None:
    """Run a stage until a signal stops it, then exit with its code."""
    level = stage.smartmeter.log_level
    logs.configure(level)
    _require_free(stage.conf.web_bind, stage.conf.web_port)
    uvloop.install()
    stage.finalize()
    stage.worker_init()
    stage.discover()
    stage.worker_init_post_autodiscover()
    worker = stage.Worker(loglevel=level, quiet=True, override_logging=False)
    worker.spinner = None  # it writes terminal codes into logs
    # What is imported stays: a full collection that looked at it, too, held the event
    # loop for 90 to 210 ms.
    gc.collect()
    gc.freeze()
    worker.execute_from_commandline()


def _require_free(address: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise FatalError(
                f"the web view cannot listen on {address}:{port}: {error.strerror};"
                " choose another port (see `smartmeter settings`)"
            ) from None


def _live() -> SmartMeter:
    values = settings.load()
    return create_app(
        values,
        group=Topology(values).live_group,
        web_host=values.worker.host,
        web_bind=values.worker.bind,
        web_port=values.worker.port,
        identity=values.worker.identity,
        autodiscover=LIVE_MODULES,
    )


app = _live()
