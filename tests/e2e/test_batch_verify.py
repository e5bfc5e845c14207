"""What was streamed is what the stored readings say, after crashes and late data."""

import random
import threading

import pytest

from app.wire.meter import encode_reading
from tests.road import Road

SIZE, GRACE = 600, 120
BASE = 1_700_000_400  # a multiple of 600
SPAN = 2_400
METERS = [(line, t, u) for line in (11, 12) for t in range(1, 9) for u in range(1, 13)]
LATE = 150


@pytest.fixture
def road(nats_server, kafka_server, cassandra_server, environ_for, tmp_path):
    environ = environ_for(windows={"size_seconds": SIZE, "grace_seconds": GRACE})
    with Road(environ, tmp_path) as road:
        road.command("schema", "apply")
        yield road


def readings(chooser):
    """Each meter each half minute or so, no two of a meter in one second."""
    for moment in range(0, SPAN, 30):
        for number, meter in enumerate(METERS):
            early = chooser.randrange(0, GRACE // 2) if number % 3 == 0 else 0
            yield meter, BASE + moment - early - early % 30, chooser.gauss(115, 3)


def closers():
    """A reading of each meter, late enough to close all windows before it."""
    return [(meter, BASE + SPAN + 2 * SIZE + GRACE, 110.0) for meter in METERS]


def late(chooser):
    """Readings of seconds that nobody else has, for windows that are closed."""
    for number in range(LATE):
        yield METERS[number], BASE + 30 * (number % 60) + 7, chooser.gauss(130, 3)


def messages(rows):
    for (line, transformer, usagepoint), timestamp, voltage in rows:
        subject = f"data.{line}.{transformer}.{usagepoint}"
        yield subject, encode_reading(timestamp, voltage)


def test_batch_verify_finds_no_difference_after_a_run_with_late_data_and_crashes(road):
    chooser = random.Random(4)
    punctual = {(row[0], row[1]): row for row in readings(chooser)}
    punctual = [*punctual.values(), *closers()]
    stages = ("bridge", "worker", "archive")
    for name in stages:
        road.start(name)
    road.ready(*stages)

    publisher = threading.Thread(target=road.publish, args=(list(messages(punctual)),))
    publisher.start()
    for name in ("worker", "archive"):
        road.wait_for(
            lambda: road.metric("bridge", BRIDGED) > len(punctual) / 4, "some readings"
        )
        road.processes[name].kill()
        road.start(name)
    publisher.join()
    road.wait_for(lambda: counted(road) == len(punctual), "all to be counted")
    road.publish(list(messages(late(chooser))))
    road.wait_for(lambda: metric(road, "worker", LATE_READINGS) == LATE, "what is late")
    stored = f"SELECT count(*) FROM {road.topology.keyspace}"
    for table, count in (("raw_data", len(punctual) + LATE), ("late_readings", LATE)):
        road.wait_for(
            lambda table=table, count=count: (
                road.cql(f"{stored}.{table}") == [(count,)]
            ),
            f"{count} rows in {table}",
        )
    windows = sum(len(f["start"]) for *_, f in road.records(road.topology.windows.name))
    road.wait_for(
        lambda: road.cql(f"{stored}.windows")[0][0] >= SPAN // SIZE * 16 and windows,
        "the windows to be stored",
    )

    said = road.command("batch", "verify")

    assert f"{len(punctual)} readings in" in said
    assert f"{LATE} were late" in said
    assert "No difference." in said


BRIDGED = "smartmeter_bridge_readings_total"
LATE_READINGS = "smartmeter_live_readings_late_total"


def metric(road, name, what):
    """Return a figure of a process; 0 while it does not answer."""
    try:
        return road.metric(name, what)
    except OSError:
        return 0


def counted(road):
    return metric(road, "worker", "smartmeter_live_readings_counted_total")
