"""`smartmeter doctor` names the hop that fails; lag, where, monitor tell the rest."""

import asyncio
import json
import secrets
import subprocess
import sys
import time

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from app.wire.meter import encode_reading
from deploy.local.process import ROOT
from tests.road import Road


@pytest.fixture
def road(nats_server, kafka_server, servers, tmp_path):
    environ = servers.environ(f"t{secrets.token_hex(6)}")
    with Road(environ, tmp_path) as road:
        yield road


def smartmeter(road, *words, **environ):
    """Return the exit code, the output, and the line on standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "app", *words],
        check=False,
        cwd=ROOT,
        env={**road.environ, **environ},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr.strip()


def doctor(road, *words, **environ):
    """Return the exit code, each hop's verdict, and the line that names one."""
    code, output, line = smartmeter(road, "doctor", "--json", *words, **environ)
    rows = map(json.loads, output.splitlines())
    return code, {row["hop"]: row["ok"] for row in rows}, line


WORKERS = [word for hop in ("live", "archive", "cassandra") for word in ("--skip", hop)]


def test_first_hop_that_fails_is_named_in_one_line(road):
    code, hops, line = doctor(road)
    assert (1, False, None) == (code, hops["nats"], hops["bridge"])
    assert line.startswith("smartmeter: nats: there is no stream")

    road.start("bridge")
    road.ready("bridge")
    code, hops, line = doctor(road, *WORKERS)
    assert (1, False, True) == (code, hops["meter"], hops["bridge"])
    assert line.startswith("smartmeter: meter: no reading was ever stored")

    road.publish([("data.11.3.1", encode_reading(int(time.time()), 110.0))])
    code, hops, line = doctor(road, *WORKERS)
    assert (0, {True}, "") == (code, set(hops.values()), line)

    code, hops, line = doctor(road, "--skip", "cassandra", "--skip", "archive")
    assert (1, True, False) == (code, hops["bridge"], hops["live"])
    assert line == (
        "smartmeter: live: no live worker runs: start one (`smartmeter worker`)"
    )
    assert_future_is_named(road)
    assert_others_tell_the_rest(road)

    road.processes["bridge"].kill()
    code, hops, line = doctor(road, "--skip", "meter", *WORKERS)
    assert (1, True, False) == (code, hops["kafka"], hops["bridge"])
    assert line.startswith("smartmeter: bridge: no bridge runs")


def assert_future_is_named(road):
    ahead = int(time.time()) + 86_400
    road.publish([("data.11.3.1", encode_reading(ahead, 110.0))])
    letters = road.topology.dead_letters.name
    road.wait_for(lambda: road.records(letters), "the dead letter", 30)
    code, hops, line = doctor(road, *WORKERS)
    assert (1, False) == (code, hops["meter"])
    assert "came from the future: set the clock of those meters" in line


def assert_others_tell_the_rest(road):
    code, output, _ = smartmeter(road, "lag", "--json")
    rows = [json.loads(line) for line in output.splitlines()]
    assert (0, 8) == (code, sum(row["group"] == "bridge" for row in rows))
    assert 0 == sum(row["waiting"] for row in rows if row["group"] == "bridge")
    assert "results" in {row["group"] for row in rows}

    code, output, _ = smartmeter(road, "where", "11", "3", "--json")
    found = json.loads(output)
    assert (0, 4, None) == (code, found["lane"], found["worker"])
    assert found["bridge"].endswith(str(road.ports["bridge"]))

    words = ["monitor", "--quiet", "--for", "0.1", "--expect", "nobody says this"]
    assert (1, "") == smartmeter(road, *words)[:2]


def test_server_that_does_not_answer_is_named_with_its_setting(road):
    environ = {"SMARTMETER_NATS__SERVERS": "nats://127.0.0.1:1"}
    code, hops, line = doctor(road, *WORKERS, **environ)
    assert (1, {"meter": None, "nats": False, "kafka": True}) == (
        code,
        {name: hops[name] for name in ("meter", "nats", "kafka")},
    )
    assert line.startswith("smartmeter: nats: NATS at nats://127.0.0.1:1")
    assert "SMARTMETER_NATS__SERVERS" in line


def test_missing_topic_is_named(road):
    road.start("bridge")
    road.ready("bridge")
    asyncio.run(delete_topic(road, road.topology.late.name))
    code, hops, line = doctor(road, "--skip", "meter", *WORKERS)
    assert (1, True, False) == (code, hops["nats"], hops["kafka"])
    assert line == (
        f"smartmeter: kafka: topic {road.topology.late.name}:"
        " missing: run `smartmeter topics`"
    )


async def delete_topic(road, name):
    admin = AIOKafkaAdminClient(bootstrap_servers=road.settings.kafka.servers)
    await admin.start()
    await admin.delete_topics([name])
    await admin.close()


def test_check_is_another_name_of_doctor(road):
    code, output, _ = smartmeter(road, "check", "--skip", "clocks", *WORKERS)
    hops = [line.split()[:2] for line in output.splitlines()]
    assert 1 == code
    assert [["meter", "?"], ["nats", "FAILS"], ["bridge", "?"], ["kafka", "ok"]] == hops
