"""Every window is exact though the live worker is killed in the middle."""

import random
import threading

import pytest

from app.wire.meter import encode_reading
from tests.alerts_on_road import (
    acknowledge,
    alert_environ,
    excursions_of,
    expected_alerts,
    told_alerts,
)
from tests.oracle import Oracle
from tests.road import Road

SIZE, GRACE, THRESHOLD = 600, 120, 116.0
BASE = 1_700_000_400  # a multiple of 600
READINGS = 40_000
BAD = [
    ("data.11.1.1", b""),
    ("data.11.1.1", b"x" * 55),
    ("data.11.1", encode_reading(BASE, 117.0)),
    ("data.11.1.1.1", encode_reading(BASE, 117.0)),
    ("data.0.1.1", encode_reading(BASE, 117.0)),
    ("data.11.-1.1", encode_reading(BASE, 117.0)),
    ("data.11.1.1", encode_reading(BASE, float("nan"))),
    ("data.11.1.1", encode_reading(BASE, float("inf"))),
    ("data.11.1.1", encode_reading(BASE, 10_000.0)),
    ("data.11.1.1", encode_reading(BASE * 1_000, 117.0)),
    ("data.11.1.1", encode_reading(BASE * 2, 117.0)),
    ("data.11.1.1", b"{\xff}"),
    ("data.11.1.1", b'{"voltage": 117'),
    ("temperature", b"cold"),
    ("nonsense", b"?"),
]


def readings(seed):
    """Out of order within the grace, over several lanes, 40 minutes of event time."""
    chooser = random.Random(seed)
    for number in range(READINGS):
        now = BASE + number * 2_400 // READINGS - chooser.randrange(0, GRACE)
        transformer = chooser.randint(1, 9)
        # A window in three is over, another one for each transformer.
        level = 117.0 if (now // SIZE + transformer) % 3 == 0 else 113.0
        yield (
            now,
            chooser.choice((11, 12, 13)),
            transformer,
            chooser.randint(1, 40),
            round(chooser.gauss(level, 0.6), 3),
        )


def closers():
    """A reading per transformer, late enough to close all windows before it."""
    end = BASE + 2_400 + 3 * SIZE + GRACE
    return [(end, line, t, 1, 110.0) for line in (11, 12, 13) for t in range(1, 10)]


def message(reading):
    timestamp, line, transformer, usagepoint, voltage = reading
    return f"data.{line}.{transformer}.{usagepoint}", encode_reading(timestamp, voltage)


@pytest.fixture
def road(nats_server, kafka_server, cassandra_server, environ_for, tmp_path):
    environ = environ_for(
        windows={
            "size_seconds": SIZE,
            "grace_seconds": GRACE,
            "threshold_volts": THRESHOLD,
        }
    )
    with Road(environ | alert_environ(), tmp_path) as road:
        road.command("schema", "apply")
        yield road


def test_windows_equal_the_oracle_though_the_live_worker_is_killed(road):
    """In Kafka, in the web view and in Cassandra, and the fleet's maxima likewise."""
    known, last = list(readings(seed=1)), closers()
    oracle = Oracle(SIZE, GRACE, THRESHOLD)
    for reading in known:
        oracle.read(None, *reading)
    for name in ("bridge", "worker", "archive"):
        road.start(name)
    road.ready("bridge", "worker", "archive")

    publish_and_kill(road, known, last)
    total = READINGS + len(last)
    road.wait_for(
        lambda: len(closed_rows(road)) >= len(oracle.windows), "all windows to close"
    )
    road.ready("worker")
    road.wait_for(
        lambda: (
            road.metric("worker", "smartmeter_live_readings_counted_total") == total
        ),
        f"{total} readings to be counted",
    )

    assert_equal(oracle, closed_rows(road))
    assert_equal(oracle, road.wait_for(lambda: viewed_rows(road, oracle), "the view"))
    assert_equal(oracle, road.wait_for(lambda: stored_rows(road, oracle), "Cassandra"))
    expected = pytest.approx(oracle.fleet_maxima(), abs=1e-5)
    assert expected == road.wait_for(
        lambda: fleet_maxima(road, oracle), "the fleet's maxima to be final"
    )
    assert expected == road.wait_for(
        lambda: stored_maxima(road, oracle), "the fleet's maxima to be stored"
    )
    check_alerts(road, oracle)
    letters = road.records(road.topology.dead_letters.name)
    assert len(BAD) == len({fields["sequence"] for _, _, fields in letters})
    road.wait_for(
        lambda: stored_readings(road) == DISTINCT, "every reading in raw_data"
    )


def check_alerts(road, oracle):
    """Each excursion is raised and cleared once; a person's word survives a crash."""
    expected = expected_alerts(road, oracle)
    assert any(end for runs in expected.values() for _, end in runs)

    def told():
        events, differing = told_alerts(road)
        assert [] == differing
        return events

    events = road.wait_for(
        lambda: (found := told()) and excursions_of(found) == expected and found,
        "the oracle's alerts",
    )
    seen = next(name for name, kind in events if kind == "raised")
    assert 202 == acknowledge(road, "worker", seen)
    road.wait_for(lambda: (seen, "acknowledged") in told(), "the word")
    road.processes["worker"].kill()
    road.start("worker")
    road.ready("worker")
    # Its journal may not have had it yet; then the command is read again.
    path = f"/api/v1/alerts/{seen}"
    road.wait_for(
        lambda: road.json("worker", path)["alert"]["acknowledged_epoch_seconds"],
        "the word to be known again",
    )
    assert expected == excursions_of(told())

    def stored():
        columns = "line, transformer, kind, epoch, raised, acknowledged, cleared"
        return {
            "{}-{}-{}-{}".format(*row): tuple(map(bool, row[4:]))
            for row in road.cql(f"SELECT {columns} FROM voltage_alerts")
        }

    kinds = {name: {k for n, k in events if n == name} for name, _ in events}
    expected_rows = {
        name: (True, name == seen, "cleared" in of) for name, of in kinds.items()
    }
    road.wait_for(lambda: stored() == expected_rows, "the alerts in Cassandra")
    path = road.folder / "alerts.csv"
    road.command("export", "alerts", "--output", str(path), "--from", "2023-11-01")
    assert 1 + len(expected_rows) == len(path.read_text().splitlines())


DISTINCT = len(
    {(r[0], *r[1:4]) for r in [*readings(seed=1), *closers()]}
)  # raw_data has one row a meter and second


def publish_and_kill(road, known, last):
    """Publish everything, broken messages in between; kill the worker twice."""
    messages = [message(reading) for reading in known]
    for number, bad in enumerate(BAD):
        messages.insert(number * 2_000 + 7, bad)
    publisher = threading.Thread(
        target=road.publish, args=([*messages, *map(message, last)],)
    )
    publisher.start()
    for share in (0.2, 0.5):
        road.wait_for(
            lambda share=share: (
                road.metric("bridge", "smartmeter_bridge_readings_total")
                > share * READINGS
            ),
            "readings to pass the bridge",
        )
        road.processes["worker"].kill()
        road.start("worker")
    publisher.join()


def assert_equal(oracle, rows):
    """Rows by (start, line, transformer) are the oracle's windows."""
    assert sorted(oracle.windows) == sorted(rows)
    for key, window in oracle.windows.items():
        count, minimum, maximum, mean, over, usagepoint = rows[key]
        assert (window.count, window.over, window.usagepoint) == (
            count,
            over,
            usagepoint,
        )
        assert (window.minimum, window.maximum, window.mean) == pytest.approx(
            (minimum, maximum, mean), abs=1e-5
        )


def closed_rows(road):
    """Closed windows as the topic has them; repeated rows must be equal."""
    rows = {}
    for _, _, fields in road.records(road.topology.windows.name):
        names = ("start", "line", "transformer", *VALUES)
        for *key, count, minimum, maximum, mean, over, usagepoint in zip(
            *(fields[name] for name in names), strict=True
        ):
            row = (count, minimum, maximum, mean, over, usagepoint)
            assert rows.setdefault(tuple(key), row) == row
    return rows


VALUES = ("count", "minimum", "maximum", "mean", "over", "usagepoint")
VIEW_VALUES = (
    "readings_count",
    "minimum_volts",
    "maximum_volts",
    "mean_volts",
    "readings_over_threshold",
    "maximum_usage_point",
)


def viewed_rows(road, oracle):
    """Closed windows as the web view shows them, once all are there."""
    answer = road.json("worker", "/api/v1/windows?state=closed&limit=50000")
    rows = {
        (w["window_start_epoch_seconds"], w["line"], w["transformer"]): tuple(
            w[name] for name in VIEW_VALUES
        )
        for w in answer["windows"]
    }
    return rows if len(rows) >= len(oracle.windows) else None


def stored_rows(road, oracle):
    """Closed windows as Cassandra has them, once all are there."""
    names = ", ".join(VALUES)
    found = road.cql(f"SELECT start, line, transformer, {names} FROM windows")
    rows = {tuple(row[:3]): tuple(row[3:]) for row in found}
    return rows if len(rows) >= len(oracle.windows) else None


def fleet_maxima(road, oracle):
    """The fleet's maximum by epoch, each said once, when all are there."""
    maxima = {}
    for _, _, fields in road.records(road.topology.maxima.name):
        voltage = maxima.setdefault(fields["epoch"], fields["voltage"])
        assert voltage == fields["voltage"]
    return maxima if len(maxima) >= len(oracle.fleet_maxima()) else None


def stored_maxima(road, oracle):
    """The seed's max_voltage, when all epochs are there."""
    maxima = dict(road.cql("SELECT epoch, voltage FROM max_voltage"))
    return maxima if len(maxima) >= len(oracle.fleet_maxima()) else None


def stored_readings(road):
    """The rows of raw_data."""
    return road.cql("SELECT count(*) FROM raw_data")[0][0]
