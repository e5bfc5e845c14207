"""The command lines of Docker that the prompt runs; no Docker is asked."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.errors import LauncherError
from deploy.services_docker import Docker

ROOT = Path(__file__).parents[2]


class Recorded(Docker):
    """A Docker that runs nothing, and has simulators in these slots."""

    there: tuple[str, ...] = ()

    def _listed(self, *_):
        return list(self.there)


def words(command):
    """Return a command line without what all of them have in common."""
    line = " ".join(command)
    return line[line.index("compose.yaml") + len("compose.yaml") :].strip()


def test_command_names_project_and_files():
    command = Docker(cluster=True, secrets=True).compose("ps")
    assert ["docker", "compose", "--project-name", "smartmeter-cluster"] == command[:4]
    files = [word.rpartition("/")[2] for word in command if word.endswith(".yaml")]
    expected = ["compose.yaml", "cluster.yaml", "secrets.yaml", "cluster-secrets.yaml"]
    assert expected == files
    assert "ps" == command[-1]


def test_remote_docker_is_reached_by_its_context():
    command = Docker(context="far").compose("ps")
    assert ["docker", "--context", "far", "compose"] == command[:4]
    assert ["docker", "--context", "far", "rm"] == Docker(context="far").docker("rm")


def test_stage_is_scaled_without_touching_what_runs():
    (command,) = Recorded().scaling("worker", 3)
    assert "up --detach --no-recreate --scale worker=3 worker" == words(command)


def test_stage_with_no_replicas_is_stopped():
    (command,) = Recorded().scaling("archive", 0)
    assert "stop archive" == words(command)


def test_simulators_have_slots_of_their_own():
    docker = Recorded()
    up, second, third = docker.scaling("simulator", 3)
    assert words(up).endswith("--scale simulator=1 simulator")
    assert words(second).startswith(
        "run --detach --use-aliases --no-deps --name smartmeter-simulator-slot-2"
    )
    assert "--slot 2" in words(second)
    assert "--slot 3" in words(third)


def test_fewer_simulators_take_the_highest_slots_away():
    class Three(Recorded):
        there = ("smartmeter-simulator-slot-2", "smartmeter-simulator-slot-3", "else")

    up, gone = Three().scaling("simulator", 2)
    assert words(up).endswith("simulator=1 simulator")
    assert ["docker", "rm", "--force", "smartmeter-simulator-slot-3"] == gone


def test_cluster_has_three_of_each_server():
    line = words(Recorded(cluster=True).serving())
    assert "--wait nats nats-2 nats-3 kafka kafka-2 kafka-3 cassandra" in line
    assert words(Recorded().serving()).endswith("--wait nats kafka cassandra")
    up, stop = Recorded(cluster=True).scaling("nats", 2)
    assert words(up).endswith("nats nats-2")
    assert words(stop).endswith("stop nats-3")
    with pytest.raises(LauncherError, match="1 at most"):
        Recorded().scaling("nats", 2)


def test_all_is_stopped_and_data_stay():
    class One(Recorded):
        there = ("smartmeter-simulator-slot-2",)

    slot, down = One().stopping()
    assert ["docker", "rm", "--force", "smartmeter-simulator-slot-2"] == slot
    assert "down --remove-orphans" == words(down)


def test_replicas_are_counted_by_service():
    class Some(Recorded):
        there = ("nats", "nats-2", "nats-3", "worker", "worker", "prometheus")

    running = Some(cluster=True).running()
    assert (3, 2, 1, 0) == tuple(
        running[name] for name in ("nats", "worker", "prometheus", "bridge")
    )


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """Put a `docker` before all others that answers with what it is asked and given."""
    script = tmp_path / "docker"
    script.write_text('#!/bin/sh\nprintf "\\033[2K%s\\n" "asked: $*" "given: $(cat)"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.usefixtures("engine")
def test_logs_are_plain_and_what_is_typed_ahead_stays_for_the_prompt():
    asker = (
        "from deploy.services_docker import Docker;"
        " import sys; print(Docker().logs('bridge', 5), sys.stdin.read())"
    )
    done = subprocess.run(
        [sys.executable, "-c", asker],
        cwd=ROOT,
        input="services()",
        capture_output=True,
        text=True,
        check=True,
    )
    asked, given, typed = done.stdout.strip().splitlines()
    assert asked.endswith("logs --no-color --tail 5 bridge")
    assert "given: " == given
    assert "services()" == typed.strip()


def test_images_are_postfixed():
    assert {"SMARTMETER_POSTFIX": "-DEV"} == Docker(postfix="-DEV").environ
