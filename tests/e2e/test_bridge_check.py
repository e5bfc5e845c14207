"""`smartmeter check` goes along the road and names the hop that fails."""

import asyncio
import json
import secrets
import subprocess
import sys

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.process import ROOT
from tests.road import Road


@pytest.fixture
def road(nats_server, kafka_server, servers, tmp_path):
    environ = servers.environ(f"t{secrets.token_hex(6)}")
    with Road(environ, tmp_path) as road:
        yield road


def check(road, *words, **environ):
    """Return the exit code, the hops that are well, and the line that names one."""
    done = subprocess.run(
        [sys.executable, "-m", "app", "check", *words],
        check=False,
        cwd=ROOT,
        env={**road.environ, **environ},
        capture_output=True,
        text=True,
        timeout=120,
    )
    well = [line.split()[0] for line in done.stdout.splitlines()]
    return done.returncode, well, done.stderr.strip()


def test_first_hop_that_fails_is_named_in_one_line(road):
    code, well, line = check(road)
    assert (1, []) == (code, well)
    assert line.startswith("smartmeter: nats: there is no stream")

    road.start("bridge")
    road.ready("bridge")
    code, well, line = check(road)
    assert (1, ["nats", "kafka", "bridge"]) == (code, well)
    assert line == (
        "smartmeter: live: no live worker runs: start one (`smartmeter worker`)"
    )
    skipped = [
        word for hop in ("live", "archive", "cassandra") for word in ("--skip", hop)
    ]
    assert (0, ["nats", "kafka", "bridge"], "") == check(road, *skipped)

    road.processes["bridge"].kill()
    code, well, line = check(road)
    assert (1, ["nats", "kafka"]) == (code, well)
    assert line.startswith("smartmeter: bridge: no bridge runs")


def test_server_that_does_not_answer_is_named_with_its_setting(road):
    code, _, line = check(road, SMARTMETER_NATS__SERVERS="nats://127.0.0.1:1")
    assert 1 == code
    assert line.startswith("smartmeter: nats: NATS at nats://127.0.0.1:1")
    assert "SMARTMETER_NATS__SERVERS" in line


def test_missing_topic_is_named(road):
    road.start("bridge")
    road.ready("bridge")
    asyncio.run(delete_topic(road, road.topology.late.name))
    code, well, line = check(road)
    assert (1, ["nats"]) == (code, well)
    assert line == (
        f"smartmeter: kafka: topic {road.topology.late.name}:"
        " missing: run `smartmeter topics`"
    )


async def delete_topic(road, name):
    admin = AIOKafkaAdminClient(bootstrap_servers=road.settings.kafka.servers)
    await admin.start()
    await admin.delete_topics([name])
    await admin.close()


def test_json_has_a_line_for_each_hop(road):
    done = subprocess.run(
        [sys.executable, "-m", "app", "check", "--json"],
        check=False,
        cwd=ROOT,
        env=road.environ,
        capture_output=True,
        timeout=120,
    )
    (row,) = map(json.loads, done.stdout.splitlines())
    assert ("nats", False) == (row["hop"], row["ok"])
