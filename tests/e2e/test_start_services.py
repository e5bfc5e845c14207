"""The Python prompt over the local launcher: all of it starts, scales and stops."""

import json
import subprocess
import sys

import pytest

from deploy.services import Prompt
from deploy.services_local import Local


@pytest.fixture
def bystander():
    """A process that is none of ours to stop."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


@pytest.mark.timeout(300)
def test_prompt_starts_scales_and_stops_everything(tmp_path, bystander):
    local = Local(tmp_path / "run", usual_ports=False, report=lambda _: None)
    words = Prompt(local, lambda _: None).names
    try:
        words["run_inject"](2)
        words["update_replicas"]("bridge", 2)
        running = words["services"]()
        assert (1, 2, 2) == tuple(running[n] for n in ("nats", "bridge", "simulator"))
        words["scale_simulator"](1)
        words["scale_bridge"](1)
        running = words["services"]()
        assert (1, 1) == tuple(running[n] for n in ("bridge", "simulator"))
        assert "raw_data" in words["run_app_batch"]()
    finally:
        words["stop_all"]()
        left = words["services"]()
        local.close()
    assert {0} == set(left.values())
    assert bystander.poll() is None
    logs = sorted((tmp_path / "run" / "logs").glob("simulator-*.log"))
    summaries = [json.loads(log.read_text().splitlines()[-1]) for log in logs]
    assert [1, 2] == [summary["slot"] for summary in summaries]
    assert all(summary["published"] > 0 for summary in summaries)
