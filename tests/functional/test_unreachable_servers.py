"""A stage whose servers are away says so in one line, waits, and can be stopped."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from deploy.local import ports
from deploy.local.process import ROOT

KAFKA = "Kafka at 127.0.0.1:1 (SMARTMETER_KAFKA__SERVERS) does not answer: "
ENVIRON = {k: v for k, v in os.environ.items() if not k.startswith("SMARTMETER_")}
AWAY = {
    "SMARTMETER_NATS__SERVERS": "nats://127.0.0.1:1",
    "SMARTMETER_KAFKA__SERVERS": "127.0.0.1:1",
    "SMARTMETER_ARCHIVE__PORT": "1",
}
PORTS = ("BRIDGE__PORT", "WORKER__PORT", "ARCHIVE__WEB_PORT")
SECONDS_MAX = 60
LATER_SECONDS = 3.0  # several tries


@pytest.fixture
def stage(tmp_path):
    """Start a stage; what it logs is read from a file."""
    started = []

    def start(command):
        log = tmp_path / f"{command}.log"
        own = {f"SMARTMETER_{p}": str(next(ports.free())) for p in PORTS}
        with log.open("wb") as opened:
            process = subprocess.Popen(
                [sys.executable, "-m", "app", command],
                cwd=ROOT,
                env=ENVIRON | AWAY | own,
                stdout=opened,
                stderr=subprocess.STDOUT,
            )
        started.append(process)
        return process, log

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("command", ["worker", "archive", "bridge"])
def test_unreachable_broker_is_one_line_that_says_what_next(stage, command):
    process, log = stage(command)
    deadline = time.monotonic() + SECONDS_MAX
    while KAFKA not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    time.sleep(LATER_SECONDS)
    process.send_signal(signal.SIGTERM)
    process.wait(SECONDS_MAX)

    records = [json.loads(line) for line in log.read_text().splitlines()]
    told = [record for record in records if KAFKA in record["message"]]
    assert 1 == len(told), told
    next_steps = ("; waiting for it, 60 s at most.", "; again in ")
    assert any(step in told[0]["message"] for step in next_steps)
    assert [] == [record for record in records if record["level"] == "error"]
    assert "Traceback" not in log.read_text()
