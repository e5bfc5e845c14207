"""The log read again: other lanes give the same windows, and a stage goes back."""

import asyncio
import json
import secrets
import subprocess
import sys

import pytest

from app.cli.group import Groups
from deploy.local.process import ROOT
from tests.carried import Publisher
from tests.road import Road

COUNTED = "smartmeter_live_readings_counted_total"
READINGS = 4_000  # ten windows of each transformer
RESULT = ("start", "line", "transformer", "count", "minimum", "maximum", "mean", "over")


@pytest.fixture
def environ(nats_server, kafka_server, servers):
    return {
        **servers.environ(f"t{secrets.token_hex(6)}"),
        "SMARTMETER_WINDOWS__SIZE_SECONDS": "1",
        "SMARTMETER_WINDOWS__GRACE_SECONDS": "1",
    }


@pytest.fixture
def road(environ, tmp_path):
    with Road(environ, tmp_path) as road:
        yield road


def replay(road, *words):
    done = subprocess.run(
        [sys.executable, "-m", "app", "replay", "--json", "--from", *words],
        check=False,
        cwd=ROOT,
        env=road.environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr.strip()


def windows(road):
    records = road.records(road.topology.windows.name)
    return sorted(
        row
        for _, _, fields in records
        for row in zip(*(fields[name] for name in RESULT), strict=True)
    )


def test_log_gives_the_same_windows_in_another_number_of_lanes(road, tmp_path):
    road.start("bridge")
    road.start("worker")
    road.ready("bridge", "worker")
    publisher = Publisher(road.topology, READINGS).start()
    publisher.join()
    road.wait_for(lambda: road.metric("worker", COUNTED) == READINGS, "all counted")
    expected = road.wait_for(lambda: _complete(road), "the windows to close", 30)

    other = f"{road.settings.namespace}b"
    code, output, _ = replay(road, "beginning", "--into", other, "--lanes", "3")
    done = json.loads(output)
    assert (0, other, 3) == (code, done["namespace"], done["lanes"])
    code, _, line = replay(road, "beginning", "--into", other, "--lanes", "3")
    assert 1 == code
    assert "records already: give another namespace" in line

    environ = {
        **road.environ_given,
        "SMARTMETER_NAMESPACE": other,
        "SMARTMETER_KAFKA__LANES": "3",
    }
    (tmp_path / "other").mkdir()
    with Road(environ, tmp_path / "other") as replayed:
        replayed.start("worker")
        replayed.ready("worker")
        replayed.wait_for(
            lambda: replayed.metric("worker", COUNTED) == READINGS, "all counted"
        )
        replayed.wait_for(lambda: windows(replayed) == expected, "the same windows", 30)
        code, _, line = replay(road, "beginning", "--into", other, "--lanes", "3")
        assert (1, True) == (code, "has members: stop the workers" in line)
    assert_results_go_back(road)


def _complete(road):
    """Return the windows once no more can close: all but the last two seconds."""
    found = windows(road)
    return found if len(found) == 40 * (READINGS // 400 - 2) else None


def assert_results_go_back(road):
    code, _, line = replay(road, "beginning", "--group", "results")
    assert (1, True) == (code, "run: stop them (`smartmeter bridge`)" in line)
    road.processes["bridge"].stop(15)
    before = asyncio.run(committed(road))
    assert sum(before.values())
    code, output, _ = replay(road, "beginning", "--group", "results")
    assert (0, sum(before.values())) == (code, json.loads(output)["records"])
    assert {0} == set(asyncio.run(committed(road)).values())
    code, output, _ = replay(road, "1s", "--group", "results")
    assert (0, 0) == (code, json.loads(output)["records"])  # never on, only back


async def committed(road):
    async with Groups(road.topology) as groups:
        return await groups.committed(road.topology.results_group)
