"""The reckoning of a run, from the metrics that processes show."""

import inspect
import json
import math
import re

import pytest

from deploy.local import figures, readiness, reckoning, screen
from deploy.local.errors import LauncherError
from deploy.local.figures import Figures, Reading
from deploy.local.pages import Pages
from deploy.local.process import ROOT
from deploy.local.reckoning import Reckoning

LANES = 2


def a_reading(*, lag=0.0, complete=True, lanes=LANES, accuracy=None, **counts):
    return Reading(
        figures=Figures(**counts),
        lag={"bridge": 0.0, "live": lag, "archive": 0.0},
        lanes={"bridge": LANES, "live": lanes, "archive": LANES},
        accuracy=accuracy,
        complete=complete,
    )


class Script:
    """Answers one reading after the other, and the last one for ever."""

    def __init__(self, *readings):
        self.readings = list(readings)

    def read(self):
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Time that passes only while somebody sleeps."""
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    monkeypatch.setattr(reckoning.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(reckoning.time, "sleep", sleep)
    return now


def alive():
    pass


SIMULATOR = [
    ("smartmeter_simulator_readings_published_total", {"slot": "1"}, 70.0),
    ("smartmeter_simulator_readings_published_total", {"slot": "2"}, 30.0),
]
BRIDGE = [
    ("smartmeter_bridge_readings_total", {"lane": "0"}, 97.0),
    ("smartmeter_bridge_dead_letters_total", {"reason": "json"}, 2.0),
    ("smartmeter_bridge_dead_letters_total", {"reason": "empty"}, 1.0),
    ("smartmeter_bridge_lanes", {}, 2.0),
]
WORKER = [
    ("smartmeter_live_readings_counted_total", {"lane": "0"}, 90.0),
    ("smartmeter_live_readings_late_total", {"lane": "1"}, 7.0),
    ("smartmeter_live_lag_frames", {"lane": "0"}, 3.0),
    ("smartmeter_live_lag_frames", {"lane": "1"}, 4.0),
    ("smartmeter_forecast_predictions_scored_total", {"lane": "0"}, 30.0),
    ("smartmeter_forecast_predictions_scored_total", {"lane": "1"}, 10.0),
    ("smartmeter_forecast_predictions_scored_total", {"lane": "2"}, 0.0),
    ("smartmeter_forecast_accuracy_ratio", {"lane": "0"}, 1.0),
    ("smartmeter_forecast_accuracy_ratio", {"lane": "1"}, 0.6),
    ("smartmeter_forecast_accuracy_ratio", {"lane": "2"}, math.nan),
    ("python_info", {}, 1.0),
]
ARCHIVE = [
    ("smartmeter_archive_rows_total", {"table": "raw_data"}, 97.0),
    ("smartmeter_archive_rows_total", {"table": "max_voltage"}, 5.0),
    ("smartmeter_archive_lag_records", {"lane": "0"}, 0.0),
    ("smartmeter_archive_lag_records", {"lane": "1"}, 0.0),
]


def test_samples_of_all_processes_are_summed():
    everything = [SIMULATOR, BRIDGE, WORKER, ARCHIVE]
    reading = figures._reading(everything, everything, complete=True)
    assert (
        Figures(
            published=100,
            bridged=97,
            dead_letters=3,
            counted=90,
            late=7,
            raw_data=97,
            max_voltage=5,
            predictions_scored=40,
        )
        == reading.figures
    )
    assert "" == reading.figures.off
    assert (7.0, 0.9) == (reading.lag["live"], reading.accuracy)
    assert {"bridge": 2, "live": 2, "archive": 2} == reading.lanes


class Stage:
    """Answers like a process, until it ends; then nothing is known of its lag."""

    def __init__(self, monkeypatch):
        self.samples = {}
        ports = {"worker-1": 1, "worker-2": 2, "bridge-1": 3, "archive-1": 4}
        self.scraper = figures.Scraper(ports, Pages())
        monkeypatch.setattr(
            self.scraper, "_samples", lambda port: self.samples.get(port, [])
        )

    def lives(self, port, begun, *samples):
        self.samples[port] = [("process_start_time_seconds", {}, begun), *samples]


@pytest.fixture
def stage(monkeypatch):
    return Stage(monkeypatch)


def lane(name, number, value):
    return (f"smartmeter_live_{name}", {"lane": str(number)}, float(value))


def test_lane_that_goes_to_another_worker_is_not_counted_twice(stage):
    stage.lives(1, 100, lane("readings_counted_total", 0, 40))
    stage.lives(2, 100, lane("readings_counted_total", 1, 50), lane("lag_frames", 1, 9))
    assert 90 == stage.scraper.read().figures.counted

    stage.samples.pop(2)  # killed: what it had is known, what waits is not
    reading = stage.scraper.read()
    assert (90, 0.0, False) == (
        reading.figures.counted,
        reading.lag["live"],
        reading.caught_up(2),
    )
    stage.lives(
        1,
        100,
        lane("readings_counted_total", 0, 45),
        lane("readings_counted_total", 1, 60),
    )
    assert 105 == stage.scraper.read().figures.counted


def test_what_a_process_counted_before_it_was_killed_stays_counted(stage):
    stage.lives(3, 100, ("smartmeter_bridge_readings_total", {"lane": "0"}, 70.0))
    stage.scraper.read()
    stage.lives(3, 200, ("smartmeter_bridge_readings_total", {"lane": "0"}, 5.0))
    assert 75 == stage.scraper.read().figures.bridged


def test_what_a_killed_bridge_had_not_told_is_known_from_what_was_counted():
    reading = a_reading(bridged=75, counted=79, late=1)
    assert 80 == reading.since(Figures(), LANES).figures.bridged


def test_rows_of_a_killed_archive_worker_are_known_from_offsets_at_rest(stage):
    row = ("smartmeter_archive_rows_total", {"table": "raw_data"})
    lags = [("smartmeter_archive_lag_records", {"lane": str(n)}, 0.0) for n in (0, 1)]
    stage.lives(4, 100, (*row, 60.0), *lags)
    stage.lives(3, 100, ("smartmeter_bridge_readings_total", {"lane": "0"}, 80.0))
    found = stage.scraper.read().since(Figures(), LANES)
    assert 60 == found.figures.raw_data

    stage.lives(4, 200, (*row, 15.0))  # it does not have its lanes yet
    found = stage.scraper.read().since(Figures(), LANES)
    assert 75 == found.figures.raw_data
    stage.lives(4, 200, (*row, 30.0), *lags)
    found = stage.scraper.read().since(Figures(), LANES)
    assert 80 == found.figures.raw_data


@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        (a_reading(), True),
        (a_reading(lag=1.0), False),
        (a_reading(lag=math.nan), False),
        (a_reading(lanes=LANES - 1), False),
        (a_reading(complete=False), False),
    ],
)
def test_caught_up_means_known_and_nothing_left(reading, expected):
    assert expected == reading.caught_up(LANES)


def test_rows_that_are_missing_in_cassandra_are_said():
    found = Figures(published=5, bridged=5, counted=5, raw_data=3)
    assert "5 bridged, but 3 rows in raw_data" == found.off


def test_figures_are_those_of_this_run():
    script = Script(a_reading(counted=10, bridged=10))
    counting = Reckoning(script, lanes=LANES)
    counting.begin(alive)
    script.readings = [a_reading(counted=14, bridged=15)]

    assert Figures(counted=4, bridged=5) == counting.read().figures


def test_end_waits_until_all_that_was_published_has_arrived():
    script = Script(
        a_reading(counted=1, lag=1.0),
        a_reading(counted=3, bridged=4, raw_data=2),
        a_reading(counted=4, bridged=4, raw_data=4),
    )
    last = Reckoning(script, lanes=LANES).end(4, alive)
    assert last.complete
    assert Figures(published=4, counted=4, bridged=4, raw_data=4) == last.figures


def test_end_gives_up_when_nothing_moves_and_says_what_is_missing(clock):
    script = Script(a_reading(counted=3, bridged=3, raw_data=3))
    last = Reckoning(script, lanes=LANES).end(4, alive)
    assert not last.complete
    assert "4 published, but 3 counted" in last.figures.off
    assert clock[0] < reckoning.SETTLE_SECONDS_MAX


def test_end_gives_up_also_while_figures_move_for_ever(clock):
    class Endless:
        def read(self):
            return a_reading(counted=int(clock[0] * 10), lag=1.0)

    last = Reckoning(Endless(), lanes=LANES).end(4, alive)
    assert not last.complete


def test_beginning_that_never_comes_to_rest_advises_fresh_data():
    script = Script(a_reading(counted=3, lag=5.0))
    with pytest.raises(LauncherError, match="run --fresh"):
        Reckoning(script, lanes=LANES).begin(alive)


def test_process_that_ends_meanwhile_ends_the_wait():
    def dead():
        raise LauncherError("bridge has ended")

    with pytest.raises(LauncherError, match="bridge has ended"):
        Reckoning(Script(a_reading()), lanes=LANES).end(1, dead)


def test_line_tells_everything_of_a_moment():
    reading = a_reading(
        published=1_234, counted=1_200, dead_letters=3, lag=math.nan, windows_closed=9
    )
    line = screen.line(reading, 35.2, 499.6)
    assert line.startswith("  35 s  published 1,234 (500/s)")
    for part in ("counted 1,200", "dead letters 3", "windows closed 9", "lag 0/?/0"):
        assert part in line


def test_log_lines_of_our_own_are_shown_as_a_person_reads_them(tmp_path):
    log = tmp_path / "worker.log"
    record = {
        "time": "2026-01-01T00:00:00+00:00",
        "level": "critical",
        "logger": "app.worker",
        "message": "Stopping at once.",
        "exception": "Traceback\n  ValueError: 7",
    }
    log.write_text(f"plain\n{json.dumps(record)}\n17\n")

    shown = str(readiness.failure("worker", "has ended", log)).splitlines()[1:-1]

    assert [
        "plain",
        "2026-01-01T00:00:00+00:00 critical Stopping at once.",
        "Traceback",
        "  ValueError: 7",
        "17",
    ] == shown


@pytest.mark.parametrize(
    ("last", "advice"),
    [
        ("java.net.BindException: Address already in use", "stop that one"),
        ("java.io.IOException: No space left on device", "free some space"),
        ("nothing that anybody knows", "read the whole log"),
    ],
)
def test_failure_ends_with_what_to_do(tmp_path, last, advice):
    log = tmp_path / "kafka.log"
    log.write_text(last)
    assert advice in str(readiness.failure("kafka", "has ended", log)).splitlines()[-1]


def test_every_metric_asked_for_is_declared():
    asked = set(
        re.findall(r'(?:count|total|lanes|named)\("(\w+)"', inspect.getsource(figures))
    )
    declared = "".join(path.read_text() for path in (ROOT / "app/metrics").glob("*.py"))
    assert len(asked) > 10
    assert [] == [name for name in asked if f'"smartmeter_{name}"' not in declared]
