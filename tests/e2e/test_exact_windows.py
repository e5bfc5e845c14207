"""Every window is exact though the live worker is killed in the middle."""

import random
import threading

import pytest

from app.wire.meter import encode_reading
from tests.oracle import Oracle
from tests.road import Road

SIZE, GRACE, THRESHOLD = 60, 120, 116.0
BASE = 1_700_000_040  # a multiple of 60
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
        now = BASE + number * 2_400 // READINGS
        yield (
            now - chooser.randrange(0, GRACE),
            chooser.choice((11, 12, 13)),
            chooser.randint(1, 9),
            chooser.randint(1, 40),
            round(chooser.gauss(116.0, 2.0), 3),
        )


def closers():
    """A reading per transformer, late enough to close all windows before it."""
    end = BASE + 2_400 + 3 * SIZE + GRACE
    return [(end, line, t, 1, 110.0) for line in (11, 12, 13) for t in range(1, 10)]


def message(reading):
    timestamp, line, transformer, usagepoint, voltage = reading
    return f"data.{line}.{transformer}.{usagepoint}", encode_reading(timestamp, voltage)


@pytest.fixture
def road(nats_server, kafka_server, environ_for, tmp_path):
    environ = environ_for(
        windows={
            "size_seconds": SIZE,
            "grace_seconds": GRACE,
            "threshold_volts": THRESHOLD,
        }
    )
    with Road(environ, tmp_path) as road:
        yield road


def test_windows_equal_the_oracle_though_the_live_worker_is_killed(road):
    known, last = list(readings(seed=1)), closers()
    oracle = Oracle(SIZE, GRACE, THRESHOLD)
    for reading in known:
        oracle.read(None, *reading)
    road.start("bridge")
    road.start("worker")
    road.ready("bridge", "worker")

    messages = [message(reading) for reading in known]
    for number, bad in enumerate(BAD):
        messages.insert(number * 2_000 + 7, bad)
    publisher = threading.Thread(
        target=road.publish, args=([*messages, *map(message, last)],)
    )
    publisher.start()
    for target in (0.2, 0.5):
        road.wait_for(
            lambda target=target: (
                road.metric("bridge", "smartmeter_bridge_readings_total")
                > target * READINGS
            ),
            "readings to pass the bridge",
        )
        road.processes["worker"].kill()
        road.start("worker")
    publisher.join()

    total = READINGS + len(last)
    road.wait_for(
        lambda: len(closed_rows(road)) >= len(oracle.windows), "all windows to close"
    )
    rows = closed_rows(road)
    assert sorted(oracle.windows) == sorted(rows)
    for key, window in oracle.windows.items():
        row = rows[key]
        assert (window.count, window.minimum, window.maximum) == (
            row["count"],
            pytest.approx(row["minimum"], abs=1e-5),
            pytest.approx(row["maximum"], abs=1e-5),
        )
        assert window.mean == pytest.approx(row["mean"], abs=1e-5)
        assert (window.over, window.usagepoint) == (row["over"], row["usagepoint"])

    expected = oracle.fleet_maxima()
    maxima = road.wait_for(
        lambda: fleet_maxima(road, expected), "the fleet's maxima to be final"
    )
    assert expected == pytest.approx({k: maxima[k] for k in expected}, abs=1e-5)

    letters = road.records(road.topology.dead_letters.name)
    assert len(BAD) == len({fields["sequence"] for _, _, fields in letters})
    road.ready("worker")
    road.wait_for(
        lambda: road.metric("worker", "smartmeter_live_readings_counted") == total,
        f"{total} readings to be counted",
    )


def closed_rows(road):
    """Closed windows as the topic has them; repeated rows must be equal."""
    rows = {}
    for _, _, fields in road.records(road.topology.windows.name):
        names = [n for n, column in fields.items() if isinstance(column, list)]
        for values in zip(*(fields[name] for name in names), strict=True):
            row = dict(zip(names, values, strict=True))
            key = (row["start"], row["line"], row["transformer"])
            assert rows.setdefault(key, row) == row
    return rows


def fleet_maxima(road, expected):
    """The fleet's maximum by epoch once all expected ones are there, each said once."""
    maxima = {}
    for _, _, fields in road.records(road.topology.maxima.name):
        voltage = maxima.setdefault(fields["epoch"], fields["voltage"])
        assert voltage == fields["voltage"]
    return maxima if expected.keys() <= maxima.keys() else None
