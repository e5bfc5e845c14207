"""Kafka as one process, broker and controller in one (KRaft), from its jars."""

import asyncio
import base64
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app import settings
from app.topology import EVENT_BYTES_MAX
from deploy.local import jars, java
from deploy.local.errors import LauncherError
from deploy.local.ports import HOST, knock
from deploy.local.private import write_private
from deploy.local.servers.base import Report

__all__ = ["FLAGS", "Kafka", "identity_of", "produce_and_fetch"]

PROBE = "__launcher_probe"
PROBE_SECONDS_MAX = 15.0
FORMAT_SECONDS_MAX = 60.0
RECORD_BYTES_MAX = 2 * EVENT_BYTES_MAX
FLAGS = (
    "-Xms256m",
    "-Xmx1g",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
)

LOGGING = """\
rootLogger.level = INFO
rootLogger.appenderRefs = stdout
rootLogger.appenderRef.stdout.ref = STDOUT
appender.console.name = STDOUT
appender.console.type = Console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %-5p %m (%c{1})%n
# Every setting with its value, several hundred lines.
logger.configuration.name = org.apache.kafka.common.config
logger.configuration.level = WARN
"""


class Kafka:
    """One broker with small internal topics."""

    name = "kafka"
    usual_ports: Mapping[str, int] = {"client": 9092, "controller": 9093}
    stop_seconds = 30.0
    flags: Sequence[str] = FLAGS

    def fetch(self, report: Report) -> None:
        """Fetch its jars."""
        jars.classpath("kafka", report)

    def prepare(self, folder: Path, ports: Mapping[str, int]) -> Sequence[str | Path]:
        """Write its configuration, format an empty store; return its command line."""
        folder.mkdir(parents=True, exist_ok=True)
        data = folder / "data"
        properties = folder / "server.properties"
        lines = [f"{key}={value}\n" for key, value in self.properties(ports).items()]
        lines.append(f"log.dirs={data}\n")
        write_private(properties, "".join(lines))  # it may hold a password
        logging = folder / "log4j2.properties"
        logging.write_text(LOGGING, encoding="utf-8")
        paths = jars.classpath("kafka", lambda _: None)
        command: list[str | Path] = [
            java.find(),
            *self.flags,
            f"-Dlog4j2.configurationFile={logging.absolute().as_uri()}",
            "-cp",
            ":".join(map(str, paths)),
        ]
        if not (data / "meta.properties").exists():
            options = ["-t", self.identity(), *self.format_options()]
            _format([*command, "kafka.tools.StorageTool"], properties, options)
        return [*command, "kafka.Kafka", properties]

    def properties(self, ports: Mapping[str, int]) -> dict[str, str]:
        """Return what the broker is told, its folder excepted."""
        client, controller = (f"{HOST}:{ports[role]}" for role in self.usual_ports)
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{client},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{client}",
            "inter.broker.listener.name": "PLAINTEXT",
            # `smartmeter topics` makes topics, with the partitions they must have.
            "auto.create.topics.enable": "false",
            "message.max.bytes": str(RECORD_BYTES_MAX),
            "replica.fetch.max.bytes": str(RECORD_BYTES_MAX),
            # Its own topics: few partitions start fast.
            "offsets.topic.num.partitions": "8",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "2",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.num.partitions": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            # Retention acts within the minute, so that a long run keeps to its disk.
            "log.retention.check.interval.ms": "60000",
            "log.cleaner.dedupe.buffer.size": "16777216",
        }

    def format_options(self) -> Sequence[str]:
        """Return what else a new store is told."""
        return ()

    def identity(self) -> str:
        """Return a name for a new cluster."""
        return identity_of(uuid.uuid4())

    def addresses(self, ports: Mapping[str, int]) -> dict[str, str]:
        """Return the bootstrap address."""
        return {"kafka": f"{HOST}:{ports['client']}"}

    def environ(self, ports: Mapping[str, int]) -> dict[str, str]:
        """Return the settings that lead to it."""
        return {settings.variable("kafka", "servers"): self.addresses(ports)["kafka"]}

    def probe(self, ports: Mapping[str, int]) -> None:
        """Produce one record and fetch it."""
        knock(ports["client"])
        asyncio.run(produce_and_fetch(self.addresses(ports)["kafka"]))


def identity_of(number: uuid.UUID) -> str:
    """Return a number as Kafka writes it.

    >>> identity_of(uuid.UUID(int=1))
    'AAAAAAAAAAAAAAAAAAAAAQ'
    """
    text = base64.urlsafe_b64encode(number.bytes).decode().rstrip("=")
    # One that began with a dash would be taken for an option.
    return text if not text.startswith("-") else "A" + text[1:]


def _format(
    command: Sequence[str | Path], properties: Path, options: Sequence[str]
) -> None:
    """Make an empty store, as a broker wants it before its first start."""
    # Options may be passwords, which the list of processes must not show.
    arguments = properties.with_name("format.arguments")
    fixed = ("format", "--ignore-formatted", "-c", str(properties))
    write_private(arguments, "\n".join((*fixed, *options)))
    try:
        done = subprocess.run(
            [*command, f"@{arguments}"],
            capture_output=True,
            text=True,
            timeout=FORMAT_SECONDS_MAX,
            check=False,
        )
    finally:
        arguments.unlink()
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()[-20:]
        raise LauncherError("kafka cannot make its store:\n" + "\n".join(lines))


async def produce_and_fetch(address: str, replicas: int = 1, **options: Any) -> None:
    """Have one record stored in a topic of so many replicas, and read it back.

    Options are those of a client: who it is, and whom it trusts.
    """
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    partition = TopicPartition(PROBE, 0)
    async with asyncio.timeout(PROBE_SECONDS_MAX):
        admin = AIOKafkaAdminClient(bootstrap_servers=address, **options)
        try:
            await admin.start()
            topic = NewTopic(
                PROBE, 1, replicas, topic_configs={"retention.ms": "60000"}
            )
            await admin.create_topics([topic])  # a second time changes nothing
        finally:
            await admin.close()
        async with AIOKafkaProducer(bootstrap_servers=address, **options) as producer:
            sent = await producer.send_and_wait(PROBE, b"ready?", partition=0)
        consumer = AIOKafkaConsumer(bootstrap_servers=address, **options)
        consumer.assign([partition])
        async with consumer:
            consumer.seek(partition, sent.offset)
            await consumer.getone()
