"""Starting, finding again, stopping, and the faults, with the quickest server."""

import socket

import nats
import psutil
import pytest
import requests

from deploy.local import ports
from deploy.local.errors import LauncherError
from deploy.local.stack import Stack


def left_behind(folder):
    """Processes whose command line names a folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if any(str(folder) in word for word in words):
            found.append(words)
    return found


@pytest.fixture
def said():
    return []


@pytest.fixture
def stack(tmp_path, said):
    made = Stack(tmp_path / "run", usual_ports=False, report=said.append)
    yield made
    made.stop("nats", "kafka")
    made.close()
    assert [] == left_behind(tmp_path)


async def test_server_killed_and_started_again_has_its_port_and_its_data(stack):
    stack.start("nats")
    address = stack.addresses["nats"]
    client = await nats.connect(address)
    await client.jetstream().add_stream(name="kept", subjects=["kept"])
    await client.jetstream().publish("kept", b"1")

    stack.kill("nats")
    assert {} == stack.addresses
    stack.restart("nats")

    assert address == stack.addresses["nats"]
    again = await nats.connect(address)
    assert 1 == (await again.jetstream().stream_info("kept")).state.messages
    await again.close()
    await client.close()


def test_frozen_server_answers_nothing_until_it_is_resumed(stack):
    stack.start("nats")
    page = stack.addresses["nats_monitor"] + "/varz"
    stack.pause("nats")
    with pytest.raises(requests.Timeout):
        requests.get(page, timeout=0.5)
    stack.resume("nats")
    assert requests.get(page, timeout=20).ok


def test_second_start_finds_what_runs(stack, tmp_path):
    assert ["nats"] == stack.start("nats")
    other = Stack(tmp_path / "run")
    assert [] == other.start("nats")
    assert stack.addresses == other.addresses
    other.close()
    assert stack.process("nats").alive


def test_taken_port_is_replaced_by_a_free_one_and_said(tmp_path, said):
    stack = Stack(tmp_path / "run", report=said.append)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ports.is_free(4222):
            taken.bind((ports.HOST, 4222))
            taken.listen(1)
        with stack.running("nats"):
            assert not stack.addresses["nats"].endswith(":4222")
    assert any("port 4222 (client) is taken" in line for line in said)
    assert [] == left_behind(tmp_path)


def test_failed_start_shows_the_log_and_leaves_nothing(stack, tmp_path, said):
    meta = tmp_path / "run" / "kafka" / "data" / "meta.properties"
    meta.parent.mkdir(parents=True)
    meta.write_text("version=1\nnode.id=7\ncluster.id=of-someone-else\n")

    with pytest.raises(LauncherError) as caught:
        stack.start("nats", "kafka")

    first, *log, last = str(caught.value).splitlines()
    assert "kafka has ended (exit code 1) instead of starting" in first
    assert any("node.id" in line or "node id" in line.lower() for line in log)
    assert last.startswith("What to do: ")
    assert not stack.process("nats").alive
    assert [] == left_behind(tmp_path)


def test_settings_of_what_runs(stack):
    stack.start("nats")
    assert {
        "SMARTMETER_NAMESPACE": "one",
        "SMARTMETER_NATS__SERVERS": stack.addresses["nats"],
        "SMARTMETER_EXPORTER__NATS_MONITORS": stack.addresses["nats_monitor"],
    } == stack.environ("one")


def test_data_of_running_servers_are_not_wiped(stack, tmp_path):
    stack.start("nats")
    with pytest.raises(LauncherError, match="stop them first"):
        stack.wipe()
    stack.stop("nats")
    stack.wipe()
    assert not (tmp_path / "run" / "nats").exists()
