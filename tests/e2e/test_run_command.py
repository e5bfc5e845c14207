"""`python -m deploy.local run`: it adds up, and leaves nothing however it ends."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from cassandra.cluster import Cluster

from deploy.local.process import ROOT
from deploy.local.stack import SERVERS, Stack

pytestmark = pytest.mark.timeout(600)

LAUNCHER = [sys.executable, "-m", "deploy.local"]
COUNTS = {
    "raw_data": "SELECT COUNT(*) FROM raw_data",
    "max_voltage": "SELECT COUNT(*) FROM max_voltage",
}
# A person's own settings are no part of the test.
ENVIRON = {k: v for k, v in os.environ.items() if not k.startswith("SMARTMETER_")}
KEYS = [
    "published",
    "bridged",
    "counted",
    "late",
    "dead_letters",
    "windows_closed",
    "raw_data",
    "max_voltage",
    "predictions_made",
    "predictions_scored",
    "accuracy",
    "duration_seconds",
]


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """Servers that run before `run` comes, and must do so after it."""
    stack = Stack(tmp_path_factory.mktemp("run"), usual_ports=False)
    stack.start()
    yield stack
    stack.stop(*SERVERS)
    stack.close()
    stack.wipe()


@pytest.fixture
def run(stack, tmp_path):
    """Start `run` with options; what it leaves behind is found after the test."""
    processes = []

    def start(*options):
        errors = (tmp_path / "stderr").open("w+b")
        process = subprocess.Popen(
            [*LAUNCHER, "run", "--folder", stack.folder, *options],
            cwd=ROOT,
            env=ENVIRON,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        processes.append((process, errors))
        return process

    yield start
    for process, errors in processes:
        process.kill()
        process.communicate()
        errors.close()


def said(tmp_path):
    return (tmp_path / "stderr").read_text()


def wait_for(condition, tmp_path, seconds=180, process=None):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, said(tmp_path)
        assert process is None or process.poll() is None, said(tmp_path)
        time.sleep(0.1)


def left_behind(stack):
    """Names of the product's processes that still run."""
    entries = stack.ledger.read()
    return [
        name
        for name, entry in entries.items()
        if name not in SERVERS and entry.process.alive
    ]


def rows_in_cassandra(stack, table):
    host, port = stack.addresses["cassandra"].split(":")
    cluster = Cluster([host], port=int(port))
    session = cluster.connect("smartmeter")
    count = session.execute(COUNTS[table], timeout=60).one().count
    cluster.shutdown()
    return count


def test_figures_add_up_and_are_those_of_cassandra(run, stack, tmp_path):
    process = run("--for", "15", "--rate", "400")
    output, _ = process.communicate(timeout=300)
    assert 0 == process.returncode, said(tmp_path)

    first = json.loads(output.splitlines()[-1])
    assert KEYS == list(first)
    assert first["published"] > 0
    ended = first["counted"] + first["late"] + first["dead_letters"]
    assert first["published"] == ended
    assert first["windows_closed"] > 0
    assert rows_in_cassandra(stack, "raw_data") == first["raw_data"]
    assert rows_in_cassandra(stack, "max_voltage") == first["max_voltage"] > 0
    assert "Web page: http://127.0.0.1:" in said(tmp_path)
    assert [] == left_behind(stack)
    assert all(stack.process(name).alive for name in SERVERS)

    # Again, with two workers, on the data of the first run, until Ctrl-C.
    process = run("--workers", "2")
    wait_for(
        lambda: said(tmp_path).count("windows closed") > 1, tmp_path, process=process
    )
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert 0 == process.returncode, said(tmp_path)

    second = json.loads(output.splitlines()[-1])
    assert second["published"] == second["counted"] > 0
    assert 0 == second["late"]
    rows = first["raw_data"] + second["raw_data"]
    assert rows == rows_in_cassandra(stack, "raw_data")
    assert [] == left_behind(stack)


def test_process_that_dies_ends_the_run_with_its_log(run, stack, tmp_path):
    process = run()
    wait_for(lambda: "windows closed" in said(tmp_path), tmp_path, process=process)
    psutil.Process(stack.ledger.read()["bridge"].pid).kill()
    output, _ = process.communicate(timeout=120)
    assert 1 == process.returncode
    assert "" == output
    assert "bridge has ended (exit code -9) by itself. The end of" in said(tmp_path)
    assert "What to do: " in said(tmp_path)
    assert [] == left_behind(stack)


def test_launcher_that_is_killed_takes_its_processes_with_it(run, stack, tmp_path):
    process = run()
    wait_for(lambda: "bridge: ready" in said(tmp_path), tmp_path, process=process)
    assert "bridge" in left_behind(stack)
    process.kill()
    wait_for(lambda: not left_behind(stack), tmp_path, seconds=60)


def test_wrong_setting_stops_the_run_in_one_line(stack):
    done = subprocess.run(
        [*LAUNCHER, "run", "--folder", stack.folder],
        cwd=ROOT,
        env=ENVIRON | {"SMARTMETER_KAFKA__LANES": "many"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert 2 == done.returncode
    assert 1 == done.stderr.count("\n")
    assert "SMARTMETER_KAFKA__LANES" in done.stderr


def test_more_workers_than_lanes_are_refused(stack):
    done = subprocess.run(
        [*LAUNCHER, "run", "--folder", stack.folder, "--workers", "9"],
        cwd=ROOT,
        env=ENVIRON,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert 1 == done.returncode
    assert "there are 8 lanes" in done.stderr
