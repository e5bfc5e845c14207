"""`python -m deploy.local run`: it adds up, and leaves nothing however it ends."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from cassandra.cluster import Cluster

from deploy.local.process import ROOT
from deploy.local.stack import SERVERS, Stack
from tests import credentials

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


def smartmeter(stack, *words, environ=None):
    """Return what a command says, as a person in another terminal runs it."""
    done = subprocess.run(
        [sys.executable, "-m", "app", *words],
        cwd=stack.folder.parent,
        env=ENVIRON | (environ or {}) | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def processes(stack):
    rows = smartmeter(stack, "ps", "--folder", str(stack.folder), "--json")
    return {row["name"]: row for row in map(json.loads, rows.splitlines())}


def test_new_users_path_from_the_start_to_the_stop(run, stack, tmp_path):
    """README's "Try it": scaled, one killed, doctor asked, stopped; all adds up."""
    folder = ("--folder", str(stack.folder))
    rows = rows_in_cassandra(stack, "raw_data")
    process = run()
    wait_for(lambda: "windows closed" in said(tmp_path), tmp_path, process=process)
    done = smartmeter(stack, "scale", "worker=2", "archive=2", *folder)
    assert ["worker-2: ready at", "archive-2: ready at"] == [
        line.rpartition(" http")[0] for line in done.splitlines()
    ]
    kill(stack, tmp_path, "worker-2")
    assert "was killed (SIGKILL) after " in said(tmp_path)
    assert "(restart 1 of at most 5 within 10 minutes); log: " in said(tmp_path)
    assert_doctor_saw_the_end(stack, folder)
    kill(stack, tmp_path, "bridge-1", "archive-1")
    wait_for(
        lambda: all(row["state"] == "running" for row in processes(stack).values()),
        tmp_path,
    )
    smartmeter(stack, "scale", "worker=1", *folder)
    assert "stopped" in smartmeter(stack, "stop", *folder)
    output, _ = process.communicate(timeout=120)
    assert 0 == process.returncode, said(tmp_path)

    summary = json.loads(output.splitlines()[-1])
    figures = [summary[k] for k in ("published", "bridged", "counted", "raw_data")]
    assert 1 == len(set(figures)), summary
    assert 0 == summary["late"] == summary["dead_letters"]
    assert summary["raw_data"] == rows_in_cassandra(stack, "raw_data") - rows
    assert [] == left_behind(stack)
    assert 0 == credentials.main([str(stack.folder)])
    assert "nothing runs in" in refused(stack, "ps", *folder)


def kill(stack, tmp_path, *names):
    """Kill processes of the run, and wait until they are there again."""
    found = processes(stack)
    for name in names:
        os.kill(found[name]["pid"], signal.SIGKILL)
    for name in names:
        wait_for(lambda name=name: f"{name}: was killed" in said(tmp_path), tmp_path)
        wait_for(lambda name=name: f"{name}: ready again" in said(tmp_path), tmp_path)
        assert 1 == processes(stack)[name]["restarts"]


def assert_doctor_saw_the_end(stack, folder):
    exports = smartmeter(stack, "ps", "--environ", *folder).splitlines()
    environ = dict(line.removeprefix("export ").split("=", 1) for line in exports)
    output = smartmeter(stack, "doctor", "--json", *folder, environ=environ)
    hops = {row["hop"]: row for row in map(json.loads, output.splitlines())}
    live = hops["live"]
    assert live["text"].startswith("2 at work, "), live
    assert "; worker-2 was started again once, " in live["text"]


def refused(stack, *words):
    with pytest.raises(AssertionError) as caught:
        smartmeter(stack, *words)
    return str(caught.value)


def test_server_that_dies_ends_the_run_with_its_log(run, stack, tmp_path):
    process = run()
    wait_for(lambda: "bridge-1: ready" in said(tmp_path), tmp_path, process=process)
    stack.kill("nats")
    output, _ = process.communicate(timeout=120)
    stack.start("nats")
    assert 1 == process.returncode
    assert "" == output
    assert "nats has ended by itself. The end of" in said(tmp_path)
    assert "What to do: " in said(tmp_path)
    assert [] == left_behind(stack)


def test_launcher_that_is_killed_takes_its_processes_with_it(run, stack, tmp_path):
    process = run()
    wait_for(lambda: "bridge-1: ready" in said(tmp_path), tmp_path, process=process)
    assert "bridge-1" in left_behind(stack)
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
