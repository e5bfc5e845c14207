"""The road as processes: bridge, workers, archive, each with a log and free ports."""

import asyncio
import json
import os
import subprocess
import sys
import time
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path

import nats
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import RoundRobinPolicy

from app import connections, settings, topics
from app.topology import Topology
from deploy.local import ports
from deploy.local.pages import Pages
from deploy.local.process import ROOT, Process, spawn, tail

READY_SECONDS_MAX = 60


class Road:
    """Processes of one namespace; all end with the block."""

    def __init__(self, environ: dict[str, str], folder: Path) -> None:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(settings.PREFIX)
        }
        self.environ_given = environ
        self.environ = {**inherited, **environ}
        self.settings = settings.load(environ)
        self.topology = Topology(self.settings)
        self.folder = folder
        self.processes: dict[str, Process] = {}
        self.ports: dict[str, int] = {}
        self.pages = Pages()  # how its web views are asked
        self._free_ports = ports.free()

    def __enter__(self):
        asyncio.run(topics.ensure_topics(self.settings))
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            process.kill()

    def command(self, *words: str) -> str:
        """Run `smartmeter WORDS` to its end; return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "app", *words],
            env=self.environ,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(
        self, name: str, command: str = "", *, module: str = "app", **environ: str
    ) -> None:
        """Start `smartmeter COMMAND` under a name, or start it again.

        module runs it: another one than `app` is another build.
        """
        command = command or name.partition("-")[0]
        port = self.ports.setdefault(name, next(self._free_ports))
        variable = {
            "bridge": "SMARTMETER_BRIDGE__PORT",
            "worker": "SMARTMETER_WORKER__PORT",
            "archive": "SMARTMETER_ARCHIVE__WEB_PORT",
        }[command]
        self.processes[name] = spawn(
            [sys.executable, "-m", module, command],
            log=self.folder / f"{name}.log",
            environ={**self.environ, variable: str(port), **environ},
        )

    def ready(self, *names: str) -> None:
        """Wait until processes say that they are ready."""
        for name in names:
            self.wait_for(lambda name=name: self._is_ready(name), f"{name} to be ready")

    def _is_ready(self, name: str) -> bool:
        process = self.processes[name]
        if not process.alive:
            raise AssertionError(f"{name} ended: {self.log(name)}")
        try:
            return bool(self.get(name, "/ready"))
        except (HTTPException, OSError):
            return False

    def log(self, name: str) -> str:
        return tail(self.folder / f"{name}.log", 30)

    def get(self, name: str, path: str) -> str:
        status, text = self.pages.ask(self.ports[name], path, seconds_max=10)
        if status != HTTPStatus.OK:
            raise OSError(f"{name} {path}: {status} {text}")
        return text

    def json(self, name: str, path: str):
        return json.loads(self.get(name, path))

    def metric(self, name: str, metric: str) -> float:
        """Return the sum of a metric's series."""
        total = 0.0
        for line in self.get(name, "/metrics").splitlines():
            if line.startswith((metric + "{", metric + " ")):
                total += float(line.rpartition(" ")[2])
        return total

    def wait_for(self, condition, what: str, seconds_max: float = READY_SECONDS_MAX):
        """Poll until a condition holds; its value is returned."""
        deadline = time.monotonic() + seconds_max
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                logs = "\n".join(f"--- {n}\n{self.log(n)}" for n in self.processes)
                raise AssertionError(f"waited {seconds_max} s for {what}\n{logs}")
            time.sleep(0.1)

    # Kafka and NATS, as anybody could use them --------------------------------------

    def records(self, topic: str) -> list[tuple[int, int, dict]]:
        """Return a topic's records as (partition, offset, fields), by partition."""
        return asyncio.run(self.records_async(topic))

    async def records_async(self, topic: str):
        """Return the same, in a running loop."""
        options = connections.kafka_options(self.settings)
        consumer = AIOKafkaConsumer(**options, enable_auto_commit=False)
        await consumer.start()
        found = []
        try:
            count = next(t.partitions for t in self.topology.topics if t.name == topic)
            places = [TopicPartition(topic, number) for number in range(count)]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            for place in places:
                begin = await consumer.beginning_offsets([place])
                consumer.seek(place, begin[place])
            while any([await consumer.position(p) < ends[p] for p in places]):
                batch = await consumer.getmany(timeout_ms=1_000)
                for place, messages in batch.items():
                    found += [
                        (place.partition, m.offset, json.loads(m.value))
                        for m in messages
                    ]
        finally:
            await consumer.stop()
        return sorted(found, key=lambda record: record[:2])

    def cql(self, statement: str) -> list[tuple]:
        """Return the rows of a CQL statement on the run's keyspace."""
        archive = self.settings.archive
        cluster = Cluster(
            archive.contact_points.split(","),
            port=archive.port,
            execution_profiles={
                EXEC_PROFILE_DEFAULT: ExecutionProfile(
                    RoundRobinPolicy(), request_timeout=30
                )
            },
            protocol_version=5,
        )
        try:
            session = cluster.connect(self.topology.keyspace)
            return [tuple(row) for row in session.execute(statement)]
        finally:
            cluster.shutdown()

    def publish(self, messages) -> None:
        """Publish (subject behind the base, payload) in order, each acknowledged."""
        asyncio.run(self.publish_async(messages))

    async def publish_async(self, messages, pause_every=0, pause_seconds=0.0) -> None:
        connection = await nats.connect(**connections.nats_options(self.settings))
        jetstream = connection.jetstream()
        pending = []
        for number, (subject, payload) in enumerate(messages, start=1):
            pending.append(
                asyncio.ensure_future(
                    jetstream.publish(
                        f"{self.topology.subject}.{subject}", payload, timeout=30
                    )
                )
            )
            if len(pending) >= 500:
                await asyncio.gather(*pending)
                pending.clear()
            if pause_every and number % pause_every == 0:
                await asyncio.sleep(pause_seconds)
        await asyncio.gather(*pending)
        await connection.close()
