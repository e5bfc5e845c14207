"""A missing topic is one line that names it and what makes it, whatever needs it."""

import json
import subprocess
import sys
import time

import pytest

from deploy.local import ports
from deploy.local.process import ROOT

pytestmark = pytest.mark.usefixtures("nats_server", "kafka_server")

SECONDS_MAX = 60
PORTS = {"bridge": "port", "worker": "port", "archive": "web_port"}


@pytest.mark.parametrize("command", PORTS)
def test_missing_topic_is_one_line_that_says_what_makes_it(
    command, environ_for, namespace, tmp_path
):
    own = {command: {PORTS[command]: next(ports.free())}}
    # Cassandra is not looked for: the archive stage starts without it.
    environ = environ_for(**own) | {"SMARTMETER_ARCHIVE__CONTACT_POINTS": "127.0.0.1"}
    environ |= {"SMARTMETER_ARCHIVE__PORT": "1"}
    log = tmp_path / "log"
    with log.open("wb") as opened:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", command],
            cwd=ROOT,
            env=environ,
            stdout=opened,
            stderr=subprocess.STDOUT,
        )
    said = f"topic {namespace}.readings: missing: run `smartmeter topics`"
    deadline = time.monotonic() + SECONDS_MAX
    try:
        while said not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        if command == "bridge":
            process.terminate()  # it waits for the topic, and does not hold on to that
        process.wait(SECONDS_MAX)
    finally:
        process.kill()
        process.wait()
    assert (0 if command == "bridge" else 1) == process.returncode
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert 1 == sum(said in record["message"] for record in records)
    assert "Traceback" not in log.read_text()
