"""Servers that demand accounts and TLS: who gets in, who does not, and what is said."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import timedelta

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.structs import TopicPartition
from cassandra import Unauthorized

from app import connections, settings, topics
from app.certificates import Wanted, issue
from app.connections import NatsClient
from app.errors import (
    AccessDenied,
    KafkaUnavailable,
    NatsUnavailable,
    SettingsError,
    SinkUnavailable,
)
from app.sinks import session
from app.topology import Topology
from deploy.local import ports
from deploy.local.process import ROOT
from deploy.local.secured_stack import SecuredStack
from deploy.local.stack import SERVERS
from tests.frames import frames_of, made_up_rows
from tests.identities import an_nkey, credentials
from tests.secured import HOSTS, a_tls_door, expired, nats_with

NAMESPACE = "secured"
WRONG = "not-the-password-at-all"
SECONDS_MAX = 10


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """All three servers in their secured form, with topics and tables."""
    loaded = settings.load({"SMARTMETER_NAMESPACE": NAMESPACE})
    folder = tmp_path_factory.mktemp("secured")
    stack = SecuredStack(folder, loaded=loaded, usual_ports=False)
    try:
        stack.start()
        for words in (("topics",), ("schema", "apply")):
            done = smartmeter(stack.environ(NAMESPACE, "operator"), *words)
            assert 0 == done.returncode, done.stdout + done.stderr
        yield stack
    finally:
        stack.stop(*SERVERS)
        stack.close()
        stack.wipe()


@pytest.fixture
def account(stack):
    """Return a maker of settings for an account, some of them changed."""

    def make(name="operator", **changed):
        environ = stack.environ(NAMESPACE, name)
        for variable, value in changed.items():
            environ.pop(f"SMARTMETER_{variable}_FILE", None)
            environ[f"SMARTMETER_{variable}"] = str(value)
        return settings.load({k: v for k, v in environ.items() if v})

    return make


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """Return the certificate of an authority that nobody here knows."""
    folder = tmp_path_factory.mktemp("stranger")
    issue(Wanted(folder=folder, hosts=HOSTS, life=timedelta(days=1)))
    return (folder / "ca.crt").read_text()


def smartmeter(environ, *words):
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SMARTMETER_")}
    return subprocess.run(
        [sys.executable, "-m", "app", *words],
        env={**inherited, **environ},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def assert_one_line(error, *parts):
    text = str(error)
    assert "\n" not in text
    assert WRONG not in text
    for part in parts:
        assert part in text


# NATS ------------------------------------------------------------------------------


async def test_nats_takes_the_right_password_over_tls(account):
    await connections.knock_at_nats(account())


async def test_nats_refusals_say_which_where_and_what_next(account, stranger):
    where = account().nats.servers.removeprefix("tls://")
    for changed, parts in (
        (
            {"NATS__PASSWORD": WRONG},
            ("authorization violation", "SMARTMETER_NATS__USER"),
        ),
        ({"NATS__CA": stranger}, ("not trusted", "SMARTMETER_NATS__CA")),
        (
            {"NATS__CA": "", "NATS__SERVERS": f"nats://{where}"},
            ("not trusted", "SMARTMETER_NATS__CA"),
        ),
    ):
        with pytest.raises(AccessDenied) as caught:
            await connections.knock_at_nats(account(**changed))
        assert_one_line(caught.value, where, *parts)


async def test_nats_token_nkey_and_credentials_file(tmp_path):
    seed, public = an_nkey()
    token, right = "a-token-that-is-long-enough", credentials()
    kinds = {
        "TOKEN": ({"authorization": {"token": token}}, token, WRONG),
        "NKEY_SEED": (
            {"authorization": {"users": [{"nkey": public}]}},
            seed,
            an_nkey()[0],
        ),
        "CREDENTIALS": (right.server, right.file, credentials().file),
    }
    for kind, (server, secret, wrong) in kinds.items():
        with nats_with(tmp_path / kind, **server) as address:
            known = {
                "SMARTMETER_NATS__SERVERS": address,
                f"SMARTMETER_NATS__{kind}": secret,
            }
            await connections.knock_at_nats(settings.load(known))
            known[f"SMARTMETER_NATS__{kind}"] = wrong
            with pytest.raises(AccessDenied) as caught:
                await connections.knock_at_nats(settings.load(known))
            assert_one_line(caught.value, address, "refuses us")
            assert wrong not in str(caught.value)


async def test_nats_in_the_clear_hears_no_password(tmp_path):
    with nats_with(tmp_path) as address:
        known = {
            "SMARTMETER_NATS__SERVERS": address,
            "SMARTMETER_NATS__USER": "operator",
            "SMARTMETER_NATS__PASSWORD": WRONG,
            "SMARTMETER_NATS__TLS": "true",
        }
        with pytest.raises(AccessDenied) as caught:
            await connections.knock_at_nats(settings.load(known))
    assert_one_line(caught.value, "does not encrypt", "SMARTMETER_NATS__TLS")


async def forbidden(client, work):
    """Return what the server forbids while something is tried."""
    told = asyncio.get_running_loop().create_future()

    async def note(error):
        if not told.done() and "ermissions" in str(error):
            told.set_result(str(error))

    client._error_cb = note
    tried = asyncio.ensure_future(work)
    try:
        return await asyncio.wait_for(told, SECONDS_MAX)
    finally:
        tried.cancel()
        await asyncio.gather(tried, return_exceptions=True)


async def test_simulator_cannot_hear_readings_nor_touch_the_stream(account):
    loaded = account("simulator")
    topology = Topology(loaded)
    client = NatsClient()
    await connections.connect_nats(client, loaded, name="test")
    jetstream = client.jetstream(timeout=SECONDS_MAX)
    try:
        for work in (
            client.subscribe(f"{topology.subject}.>"),
            client.subscribe("_INBOX.bridge.>"),
            client.subscribe(">"),
            client.publish(topology.maxima_subject, b"{}"),
            client.publish(f"$KV.{topology.bridge_bucket}.roster", b"{}"),
            jetstream.get_msg(topology.stream, 1),
            jetstream.delete_stream(topology.stream),
            jetstream.purge_stream(topology.stream),
        ):
            assert "violation" in (await forbidden(client, work)).lower()
    finally:
        await client.close()


async def test_bridge_cannot_publish_readings(account):
    loaded = account("bridge")
    client = NatsClient()
    await connections.connect_nats(client, loaded, name="test")
    subject = f"{Topology(loaded).subject}.data.11.1.1"
    try:
        assert subject in await forbidden(client, client.publish(subject, b"x"))
    finally:
        await client.close()


async def test_worker_hears_results_and_says_nothing(account):
    loaded = account("worker")
    topology = Topology(loaded)
    client = NatsClient()
    await connections.connect_nats(client, loaded, name="test")
    raw = f"{topology.subject}.data.11.1.1"
    try:
        await client.subscribe(topology.maxima_subject)
        await client.flush()
        for work in (
            client.publish(raw, b"x"),
            client.publish(topology.maxima_subject, b"{}"),
            client.subscribe(f"{topology.subject}.>"),
            client.jetstream(timeout=SECONDS_MAX).stream_info(topology.stream),
        ):
            assert "violation" in (await forbidden(client, work)).lower()
    finally:
        await client.close()


async def test_archive_has_no_account_of_nats(account, stack):
    password = stack.secured.password("archive")
    loaded = account("operator", NATS__USER="archive", NATS__PASSWORD=password)
    with pytest.raises(AccessDenied):
        await connections.knock_at_nats(loaded)


# Kafka -----------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_kafka_takes_the_right_password_over_tls(account, mechanism):
    loaded = account(KAFKA__SASL_MECHANISM=mechanism)
    await connections.knock_at_kafka(loaded)
    assert not any(text for _, text in await topics.check_topics(loaded))


async def test_kafka_refusals_say_which_where_and_what_next(account, stranger):
    where = f"Kafka at {account().kafka.servers}"
    nobody = {
        "KAFKA__SASL_MECHANISM": "",
        "KAFKA__USER": "",
        "KAFKA__PASSWORD": "",
    }
    for changed, kind, parts in (
        (
            {"KAFKA__PASSWORD": WRONG},
            AccessDenied,
            ("'operator'", "SMARTMETER_KAFKA__USER"),
        ),
        ({"KAFKA__USER": "nobody"}, AccessDenied, ("'nobody'", "…__PASSWORD")),
        (
            {"KAFKA__SASL_MECHANISM": "PLAIN"},
            AccessDenied,
            ("…__SASL_MECHANISM",),
        ),
        (
            {"KAFKA__CA": stranger},
            AccessDenied,
            ("not trusted", "SMARTMETER_KAFKA__CA"),
        ),
        (nobody, KafkaUnavailable, ("demands a user",)),
        ({"KAFKA__CA": ""}, KafkaUnavailable, ("one that demands TLS",)),
    ):
        with pytest.raises(kind) as caught:
            await connections.knock_at_kafka(account(**changed))
        assert_one_line(caught.value, where, *parts)


async def test_kafka_in_the_clear_is_named_as_such(account, kafka_server):
    with pytest.raises((AccessDenied, KafkaUnavailable)) as caught:
        await connections.knock_at_kafka(account(KAFKA__SERVERS=kafka_server))
    assert_one_line(caught.value, kafka_server, "TLS", "SMARTMETER_KAFKA__")


async def written(loaded, topic):
    producer = AIOKafkaProducer(**connections.kafka_options(loaded))
    await producer.start()
    try:
        await producer.send_and_wait(topic.name, b"{}", partition=0)
    finally:
        await producer.stop()


async def read(loaded, topic):
    consumer = AIOKafkaConsumer(**connections.kafka_options(loaded))
    await consumer.start()
    try:
        place = TopicPartition(topic.name, 0)
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        async with asyncio.timeout(SECONDS_MAX):
            await consumer.getone()
    finally:
        await consumer.stop()


@pytest.mark.parametrize(
    ("who", "work", "what"),
    [
        ("archive", written, "readings"),
        ("archive", written, "windows"),
        ("worker", written, "readings"),
        ("worker", written, "weather"),
        ("bridge", written, "windows"),
        ("bridge", written, "windows_journal"),
        ("exporter", read, "readings"),
        ("exporter", written, "dead_letters"),
        ("archive", read, "windows_journal"),
        ("bridge", read, "dead_letters"),
    ],
)
async def test_account_is_refused_what_it_does_not_need(account, who, work, what):
    loaded = account(who)
    with pytest.raises(TopicAuthorizationFailedError):
        await work(loaded, getattr(Topology(loaded), what))


def codes(answer):
    """Return the error code of each topic in an answer."""
    topics_of = getattr(answer, "topic_errors", None) or answer.topic_error_codes
    return [code for _, code, *_ in topics_of]


async def test_only_the_operator_makes_topics_and_nobody_removes_them(account):
    name = f"{NAMESPACE}.windows"
    for who in ("bridge", "worker", "archive", "operator"):
        admin = AIOKafkaAdminClient(**connections.kafka_options(account(who)))
        try:
            await admin.start()
            answer = await admin.delete_topics([name])
            assert [TopicAuthorizationFailedError.errno] == codes(answer)
            topic = NewTopic(f"{NAMESPACE}.of-{who}", 1, 1)
            (made,) = codes(await admin.create_topics([topic]))
            assert (who == "operator") == (made == 0)
        finally:
            await admin.close()


async def test_the_mover_alone_copies_the_log_into_a_namespace_beside(account, stack):
    loaded = account("bridge")
    topology = Topology(loaded)
    frames = [*frames_of(made_up_rows(300, seed=3), 100)]
    producer = AIOKafkaProducer(**connections.kafka_options(loaded))
    await producer.start()
    try:
        for lane, value in frames:
            await producer.send_and_wait(topology.readings.name, value, partition=lane)
    finally:
        await producer.stop()
    words = ["replay", "--from", "beginning", "--json", "--into"]
    beside = f"{NAMESPACE}_2"
    for who, namespace in (
        ("operator", beside),
        ("bridge", beside),
        ("mover", "elsewhere"),
    ):
        done = smartmeter(stack.environ(NAMESPACE, who), *words, namespace)
        assert 1 == done.returncode, done.stdout
        assert "smartmeter: " in done.stderr
    done = smartmeter(stack.environ(NAMESPACE, "mover"), *words, beside, "--lanes", "4")
    assert 0 == done.returncode, done.stderr
    copied = json.loads(done.stdout.splitlines()[-1])
    assert len(frames) == copied["frames"]
    assert copied["written"]


async def test_simulator_has_no_account_of_kafka(account, stack):
    password = stack.secured.password("simulator")
    with pytest.raises(AccessDenied):
        await connections.knock_at_kafka(
            account(KAFKA__USER="simulator", KAFKA__PASSWORD=password)
        )


# Cassandra -------------------------------------------------------------------------


def cql(loaded, statement):
    connected = session.connect(loaded.archive)
    try:
        return list(connected.execute(statement))
    finally:
        session.close(connected)


def test_cassandra_refusals_say_which_where_and_what_next(account, stranger):
    where = f"127.0.0.1, port {account().archive.port}"
    quick = {"ARCHIVE__TIMEOUT_SECONDS": "3"}
    for changed, kind, parts in (
        (
            {"ARCHIVE__PASSWORD": WRONG},
            SettingsError,
            ("SMARTMETER_ARCHIVE__USERNAME",),
        ),
        (
            {"ARCHIVE__USERNAME": "cassandra", "ARCHIVE__PASSWORD": "cassandra"},
            SettingsError,
            ("refuses this user",),
        ),
        (
            {"ARCHIVE__CA": stranger},
            AccessDenied,
            ("not trusted", "SMARTMETER_ARCHIVE__CA"),
        ),
        ({"ARCHIVE__CA": "", **quick}, SinkUnavailable, ("demands TLS",)),
    ):
        with pytest.raises(kind) as caught:
            session.connect(account(**changed).archive)
        assert_one_line(caught.value, where, *parts)


def test_cassandra_accounts_do_what_they_need_and_no_more(account):
    into = "INSERT INTO secured.max_voltage (epoch, voltage) VALUES (1, 230.0)"
    row = "SELECT voltage FROM secured.max_voltage WHERE epoch = 1"
    cql(account("archive"), into)
    assert 230.0 == cql(account("worker"), row)[0].voltage
    assert cql(account("exporter"), "SELECT * FROM system_views.caches")
    for who, statement in (
        ("worker", into),
        ("analyst", into),
        ("exporter", row),
        ("archive", "DROP TABLE secured.max_voltage"),
        ("archive", "CREATE ROLE another WITH LOGIN = true"),
        ("operator", "DROP KEYSPACE secured"),
        ("operator", "SELECT * FROM system_auth.roles"),
    ):
        with pytest.raises(Unauthorized):
            cql(account(who), statement)


# Certificates that are over, and what a person sees ---------------------------------


async def test_expired_certificates_are_named_as_such(account, tmp_path):
    folder = expired(tmp_path / "expired")
    authority = (folder / "ca.crt").read_text()
    with a_tls_door(folder / "server.pem") as port:
        place = f"127.0.0.1:{port}"
        with pytest.raises(AccessDenied) as caught:
            await connections.knock_at_kafka(
                account(KAFKA__SERVERS=place, KAFKA__CA=authority)
            )
        assert_one_line(caught.value, f"Kafka at {place}", "has expired", "renew it")
        with pytest.raises(AccessDenied) as caught:
            session.connect(account(ARCHIVE__PORT=port, ARCHIVE__CA=authority).archive)
        assert_one_line(caught.value, "Cassandra at", "has expired", "renew it")
    certificates = {
        "cert_file": str(folder / "server.crt"),
        "key_file": str(folder / "server.key"),
    }
    with nats_with(tmp_path / "nats", tls=certificates) as address:
        with pytest.raises(AccessDenied) as caught:
            await connections.knock_at_nats(
                account(NATS__SERVERS=address, NATS__CA=authority)
            )
        assert_one_line(caught.value, "NATS at", "has expired", "renew it")


@pytest.mark.parametrize(
    ("words", "variable"),
    [
        (("topics", "check"), "KAFKA__PASSWORD"),
        (("worker",), "KAFKA__PASSWORD"),
        (("archive",), "ARCHIVE__PASSWORD"),
        (("bridge",), "NATS__PASSWORD"),
        (("simulate", "--cycles", "1", "--port", "0"), "NATS__PASSWORD"),
        (("schema", "check"), "ARCHIVE__PASSWORD"),
    ],
)
def test_command_with_a_wrong_password_ends_in_one_line(
    stack, tmp_path, words, variable
):
    who = {"simulate": "simulator", "topics": "operator", "schema": "operator"}
    environ = stack.environ(NAMESPACE, who.get(words[0], words[0]))
    wrong = tmp_path / "password"
    wrong.write_text(WRONG)
    environ[f"SMARTMETER_{variable}_FILE"] = str(wrong)
    for port in ("BRIDGE__PORT", "WORKER__PORT", "ARCHIVE__WEB_PORT"):
        environ[f"SMARTMETER_{port}"] = str(next(ports.free()))
    done = smartmeter(environ, *words)
    assert done.returncode in {1, 2}, done.stdout + done.stderr
    assert WRONG not in done.stdout + done.stderr
    lines = done.stderr.strip().splitlines() or done.stdout.strip().splitlines()[-1:]
    assert 1 == len(lines), done.stderr
    assert f"SMARTMETER_{variable.partition('__')[0]}__USER" in lines[0]


@pytest.mark.parametrize(
    ("words", "who", "said"),
    [
        (("worker",), "archive", "user 'archive' into the group secured-live"),
        (("bridge",), "operator", "transactional id secured-lane-"),
    ],
)
def test_process_with_another_ones_account_ends_in_one_line(stack, words, who, said):
    own = stack.environ(NAMESPACE, words[0])
    environ = own | {
        k: v for k, v in stack.environ(NAMESPACE, who).items() if "KAFKA" in k
    }
    for port in ("BRIDGE__PORT", "WORKER__PORT", "ARCHIVE__WEB_PORT"):
        environ[f"SMARTMETER_{port}"] = str(next(ports.free()))
    done = smartmeter(environ, *words)
    assert 1 == done.returncode, done.stdout + done.stderr
    assert "Kafka's rules do not let" in done.stdout + done.stderr
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


async def test_nats_that_hangs_up_is_not_taken_for_a_connection():
    async def hang_up(reader, writer):
        info = (
            b'INFO {"server_id":"x","version":"2","max_payload":9,"headers":true}\r\n'
        )
        writer.write(info)
        await reader.readline()  # CONNECT, with who we are
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    address = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        with pytest.raises(NatsUnavailable) as caught:
            await connections.knock_at_nats(
                settings.load({"SMARTMETER_NATS__SERVERS": address})
            )
    assert_one_line(caught.value, address, "hung up")
