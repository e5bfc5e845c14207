"""Servers take what the Compose files tell them, and ask who comes where secrets are.

The images translate their environment as is done here; only addresses are this test's.
"""

import asyncio
import re
import subprocess
import sysconfig
from datetime import timedelta
from pathlib import Path

import nats
import nats.errors
import pytest
from aiokafka.errors import KafkaError
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import NoHostAvailable

from app import connections, settings, topics
from app.certificates import Wanted, issue
from app.connections import NatsClient
from app.errors import AccessDenied, KafkaUnavailable, NatsUnavailable, TopicMismatch
from app.tls import tls_context
from app.topology import Topology
from bridge.stream import ensure_stream
from deploy import services_secrets
from deploy.local import ports
from deploy.local.servers.cassandra import Cassandra
from deploy.local.servers.kafka import Kafka
from deploy.local.servers.secured_kafka import allow
from deploy.local.stack import Stack
from tests.composed import FOLDER, composed

START_SECONDS_MAX = 30
HOSTS = ("localhost", "127.0.0.1")


@pytest.fixture
def secrets(tmp_path):
    return {
        path.name: path.read_text()
        for path in services_secrets.prepare(tmp_path / "run" / "secrets")
    }


@pytest.fixture
def tls(tmp_path):
    """Certificates as the service makes them; the addresses are this test's."""
    folder = tmp_path / "tls"
    issue(Wanted(folder=folder, hosts=HOSTS, life=timedelta(days=1)))
    return folder


class Composed(Kafka):
    """Kafka as its container has it."""

    def __init__(self, environment, listeners, tls):
        self._environment = environment
        self._known = listeners
        self._tls = tls
        self._listeners = dict(line.split("=", 1) for line in listeners.splitlines())

    def properties(self, ports):
        found = {
            name.removeprefix("KAFKA_").lower().replace("_", "."): str(value)
            for name, value in self._environment.items()
            if name.startswith("KAFKA_") and name != "KAFKA_HEAP_OPTS"
        }
        del found["log.dirs"]
        places = {
            "kafka:9092": f"127.0.0.1:{ports['client']}",
            "kafka:9093": f"127.0.0.1:{ports['controller']}",
            "//:9092": f"//127.0.0.1:{ports['client']}",
            "//:9093": f"//127.0.0.1:{ports['controller']}",
            "/run/tls": str(self._tls),
        }
        for name, value in found.items():
            for before, after in places.items():
                value = value.replace(before, after)  # noqa: PLW2901 one after the other
            found[name] = value
        return found | self._listeners

    def probe(self, ports):
        master = self.settings(ports, "admin")
        asyncio.run(allow(master, Topology(master)))
        asyncio.run(topics.check_topics(self.settings(ports, "operator")))

    def settings(self, ports, account, **other):
        environ = {
            "kafka__servers": f"127.0.0.1:{ports['client']}",
            "kafka__sasl_mechanism": "PLAIN",
            "kafka__user": account,
            "kafka__password": self._password(account),
            "kafka__ca_file": str(self._tls / "ca.crt"),
            **other,
        }
        return settings.load({f"SMARTMETER_{k.upper()}": v for k, v in environ.items()})

    def _password(self, account):
        return re.search(rf'user_{account}="(\w+)"', self._known)[1]


def test_kafka_with_secrets_lets_accounts_do_what_is_theirs(secrets, tls, tmp_path):
    model = composed("compose.yaml", "secrets.yaml")
    environment = model["services"]["kafka"]["environment"]
    kafka = Composed(environment, secrets["kafka_listeners"], tls)
    stack = Stack(tmp_path / "stack", usual_ports=False, servers={"kafka": kafka})
    with stack.running():
        its_ports = stack.ledger.read()["kafka"].ports
        worker = kafka.settings(its_ports, "worker")
        with pytest.raises(TopicMismatch, match="Authorization failed"):
            asyncio.run(topics.ensure_topics(worker))
        operator = kafka.settings(its_ports, "operator")
        findings = asyncio.run(topics.ensure_topics(operator))
        assert [""] * len(findings) == [text for _, text in findings]
        asyncio.run(topics.check_topics(worker))
        guess = {"kafka__password": "guessed"}
        wrong = kafka.settings(its_ports, "operator", **guess)
        with pytest.raises((AccessDenied, KafkaError)):
            asyncio.run(connections.knock_at_kafka(wrong))
        clear = kafka.settings(its_ports, "operator", kafka__ca_file="/dev/null")
        with pytest.raises((KafkaUnavailable, KafkaError)):
            asyncio.run(connections.knock_at_kafka(clear))


class ComposedCassandra(Cassandra):
    """Cassandra as its container has it; it asks for the password of its own user."""

    def __init__(self, environment, tls):
        told = environment["JVM_EXTRA_OPTS"].replace("/run/tls", str(tls))
        self.flags = (*Cassandra.flags, *told.split())
        self._tls = tls

    def client_options(self):
        loaded = settings.load(
            {"SMARTMETER_ARCHIVE__CA_FILE": str(self._tls / "ca.crt")}
        )
        return {
            "auth_provider": PlainTextAuthProvider("cassandra", "cassandra"),
            "ssl_context": tls_context("archive", loaded.archive),
        }

    def probe(self, ports):
        self.ask(ports["client"], "LIST ROLES")


def test_cassandra_with_secrets_speaks_over_tls_alone(tls, tmp_path):
    model = composed("compose.yaml", "secrets.yaml")
    environment = model["services"]["cassandra"]["environment"]
    server = ComposedCassandra(environment, tls)
    stack = Stack(tmp_path / "stack", usual_ports=False, servers={"cassandra": server})
    with stack.running():
        port = stack.ledger.read()["cassandra"].ports["client"]
        with pytest.raises(NoHostAvailable):
            Cassandra().ask(port, "SELECT release_version FROM system.local")
    assert "Internode messaging enabled TLS" in stack.log("cassandra").read_text()


async def connect(servers, account, password, authority):
    loaded = settings.load(
        {
            "SMARTMETER_NATS__SERVERS": servers,
            "SMARTMETER_NATS__REPLICAS": "3",
            "SMARTMETER_NATS__USER": account,
            "SMARTMETER_NATS__PASSWORD": password,
            "SMARTMETER_NATS__INBOX_PREFIX": f"_INBOX.{account}",
            "SMARTMETER_NATS__CA_FILE": str(authority),
        }
    )
    client = NatsClient()
    await connections.connect_nats(client, loaded, name="test")
    return client, Topology(loaded)


async def test_three_nats_with_secrets_are_one_for_those_who_know(
    secrets, tls, tmp_path
):
    authority = tls / "ca.crt"
    free = ports.free()
    names = ("nats", "nats-2", "nats-3")
    places = {name: {p: next(free) for p in (4222, 6222, 8222)} for name in names}
    etc = tmp_path / "etc" / "nats"
    binary = Path(sysconfig.get_path("scripts")) / "nats-server"
    processes = []
    try:
        for name in names:
            folder = tmp_path / name
            etc, run = folder / "etc" / "nats", folder / "run" / "secrets"
            etc.mkdir(parents=True)
            run.mkdir(parents=True)
            mine = places[name]
            for path in FOLDER.glob("nats*.conf"):
                text = path.read_text().replace("/data", str(folder / "data"))
                text = text.replace("port: 4222", f'listen: "127.0.0.1:{mine[4222]}"')
                text = text.replace("https: 8222", f'https: "127.0.0.1:{mine[8222]}"')
                text = text.replace("/run/tls", str(tls))
                (etc / path.name).write_text(text)
            for secret in ("nats_users", "nats_routes"):
                text = (
                    secrets[secret]
                    .replace("0.0.0.0:6222", f"127.0.0.1:{mine[6222]}")
                    .replace("/run/tls", str(tls))
                )
                for other in names:
                    route = f"127.0.0.1:{places[other][6222]}"
                    text = text.replace(f"@{other}:6222", f"@{route}")
                (run / secret).write_text(text)
            command = composed(
                "compose.yaml", "cluster.yaml", "secrets.yaml", "cluster-secrets.yaml"
            )["services"][name]["command"]
            words = [word.replace("/etc/nats", str(etc)) for word in command]
            log = (folder / "log").open("w")
            processes.append(subprocess.Popen([binary, *words], stderr=log))
        servers = ",".join(f"nats://127.0.0.1:{places[name][4222]}" for name in names)
        await until_there_is_a_stream(servers, secrets["bridge_password"], authority)
        meter, topology = await connect(
            servers, "simulator", secrets["simulator_password"], authority
        )
        subject = f"{topology.subject}.data.11.1.1"
        assert 1 == (await meter.jetstream().publish(subject, b"1")).seq
        await meter.close()
        with pytest.raises(AccessDenied):
            await connect(servers, "simulator", "guessed", authority)
    finally:
        for process in processes:
            process.kill()
            process.wait()


async def until_there_is_a_stream(servers, password, authority):
    """Make the stream as the bridge does, once the three have found each other."""
    async with asyncio.timeout(START_SECONDS_MAX):
        while True:
            try:
                client, topology = await connect(servers, "bridge", password, authority)
                await ensure_stream(client.jetstream(), topology)
                info = await client.jetstream().stream_info(topology.stream)
                await client.close()
            except (NatsUnavailable, nats.errors.Error, OSError):
                await asyncio.sleep(0.3)
            else:
                assert 3 == info.config.num_replicas
                return
