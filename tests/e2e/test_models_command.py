"""Versions of models as a person handles them: kept, compared, gone back to."""

import json
import subprocess
import sys

import pytest

from deploy.local.process import ROOT
from tests.archived import Archived
from tests.forecasts import EVENTS, LANES, START, write

DAY = 86_400
FIRST_DAY = START + DAY  # at its beginning the first version is made
RESTORED = "smartmeter_forecast_versions_restored_total"
REFUSED = "smartmeter_forecast_versions_refused_total"


@pytest.fixture
def road(kafka_server, cassandra_server, environ_for, tmp_path):
    with Archived(environ_for(kafka={"lanes": LANES}), tmp_path) as road:
        yield road


def models(road, *words):
    """Return the exit code and the output of a command."""
    done = subprocess.run(
        [sys.executable, "-m", "app", "models", *words],
        check=False,
        cwd=ROOT,
        env=road.environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def listed(road):
    code, output, errors = models(road, "list", "--json")
    assert (0, "") == (code, errors)
    return {(each["name"], each["version"]): each for each in json.loads(output)}


def test_versions_are_kept_compared_and_gone_back_to_by_whoever_has_the_lane(road):
    write(road, 0.0, 1.0)
    road.start("worker-1")
    road.start("archive")
    road.ready("worker-1", "archive")
    last = max(closed["start"][0] for word, closed in EVENTS[0] if word == "windows")
    days = range(FIRST_DAY, last + 1, DAY)
    expected = {(f"lane-{lane}", day) for lane in range(LANES) for day in days}
    road.wait_for(lambda: expected <= listed(road).keys(), "all versions", 60)
    newest = listed(road)["lane-0", days[-1]]
    assert newest["labels"] > 0

    date = "2023-11-22"
    code, output, _ = models(road, "show", "lane-0", date)
    assert (0, True) == (code, "usable now               yes" in output)
    assert "heaviest weights of the regression" in output
    code, output, _ = models(road, "list", "--name", "lane-0")
    assert (0, True) == (code, "2023-11-22 00:00" in output)
    code, _, errors = models(road, "show", "lane-9", date)
    assert (2, True) == (code, "no models are called lane-9" in errors)
    code, _, errors = models(road, "rollback", "lane-0", "77", "--yes")
    assert (1, True) == (code, "no version 77 of lane-0 is stored" in errors)
    road.environ["SMARTMETER_WINDOWS__THRESHOLD_VOLTS"] = "120"
    code, _, errors = models(road, "rollback", "lane-0", date, "--yes")
    del road.environ["SMARTMETER_WINDOWS__THRESHOLD_VOLTS"]
    assert (1, True) == (code, "made for a threshold of 116" in errors)
    assert 0 == road.metric("worker-1", RESTORED) + road.metric("worker-1", REFUSED)

    code, output, errors = models(road, "rollback", "lane-0", date, "--yes")
    assert (0, "") == (code, errors)
    assert "is version 1700611200 again" in output
    assert 1 == road.metric("worker-1", RESTORED)
    road.processes["worker-1"].kill()
    road.start("worker-1")
    road.ready("worker-1")
    events = road.json("worker-1", "/api/v1/models")["models"][0]["events"]
    assert ("version", "1700611200") == (events[-1]["kind"], events[-1]["name"])
    assert 0 == road.metric("worker-1", RESTORED)  # by the journal, and not again
