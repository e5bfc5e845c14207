"""Three NATS, three Kafka, two Cassandra: one node of each dies, and nothing is lost.

`make cluster` runs it and prints the figures; `make test` does not: it takes minutes.
"""

import asyncio
import json
import threading
import time
import urllib.request
from calendar import timegm
from collections import defaultdict
from contextlib import contextmanager

import pytest
from cassandra import ConsistencyLevel, Unavailable
from cassandra.query import SimpleStatement

from app import connections, settings
from app.sinks import session as sessions
from deploy.local import cluster
from tests.faults import settle
from tests.oracle import as_float32
from tests.publications import GRACE, SIZE, THRESHOLD, Publisher
from tests.road import Road
from tests.verdict import verdict

RATE = 500
QUIET_SECONDS = 8  # of publishing before, between and after the losses
# Kafka takes a broker for dead after nine seconds, and only then are its partitions led
# by others.
KAFKA_SECONDS = 20
LOOK_SECONDS = 0.1
ARCHIVED_SECONDS_MAX = 120
COUNTED = "smartmeter_live_readings_counted_total"
LATE = "smartmeter_live_readings_late_total"
ROWS = "smartmeter_archive_rows_total"


@pytest.fixture
def stack(tmp_path):
    stack = cluster.opened(tmp_path / "cluster", cluster.Nodes(), usual_ports=False)
    with stack.running():
        yield stack


@pytest.fixture
def road(stack, namespace, tmp_path):
    environ = stack.environ(namespace) | {
        settings.variable("windows", "size_seconds"): str(SIZE),
        settings.variable("windows", "grace_seconds"): str(GRACE),
        settings.variable("windows", "threshold_volts"): str(THRESHOLD),
        settings.variable("kafka", "journal_bytes_min"): "20000",
        settings.variable("kafka", "session_timeout_seconds"): "6",
    }
    with Road(environ, tmp_path) as road:
        road.command("schema")
        yield road


class Progress:
    """What each stage has done, looked at all the while; its longest standstills."""

    def __init__(self, road, names):
        self._road = road
        self._names = names
        self._over = threading.Event()
        self._seen = defaultdict(list)  # stage: (seconds, total)
        self._thread = threading.Thread(target=self._look, daemon=True)

    @contextmanager
    def watched(self):
        self._thread.start()
        try:
            yield self
        finally:
            self._over.set()
            self._thread.join()

    def _look(self):
        while not self._over.wait(LOOK_SECONDS):
            for stage, metric in (("worker", COUNTED), ("archive", ROWS)):
                try:
                    total = sum(
                        self._road.metric(name, metric)
                        for name in self._names
                        if name.startswith(stage)
                    )
                except OSError:
                    continue
                self._seen[stage].append((time.monotonic(), total))

    def standstill(self, stage, begin, end):
        """Return the longest time between two changes, seconds."""
        longest, last, before = 0.0, begin, None
        for at, total in self._seen[stage]:
            if not begin <= at <= end:
                continue
            if total != before:
                longest, last, before = max(longest, at - last), at, total
        return max(longest, end - last)


def leader_of_the_stream(stack, topology):
    """Return the name of the NATS node that leads the raw stream."""
    for name in ("nats-1", "nats-2", "nats-3"):
        place = stack.addresses[f"{name}-monitor"].removeprefix("http://")
        url = f"http://{place}/jsz?streams=1&leader_only=1"
        with urllib.request.urlopen(url, timeout=5) as answer:
            found = json.load(answer)
        for account in found.get("account_details", []):
            streams = {stream["name"] for stream in account.get("stream_detail", [])}
            if topology.stream in streams:
                return name
    raise AssertionError("the stream has no leader")


def archived(road):
    """Return rows of raw_data by meter and time, read from every node that has them."""
    session = sessions.connect(road.settings.archive)
    columns = "line, transformer, usagepoint, year, month, day, hour, minute, second"
    statement = SimpleStatement(
        f"SELECT {columns}, voltage FROM {road.topology.keyspace}.raw_data",
        consistency_level=ConsistencyLevel.ALL,
    )
    try:
        return {
            (*row[:3], timegm(row[3:9])): row.voltage
            for row in session.execute(statement, timeout=60)
        }
    finally:
        sessions.close(session)


def windows_archived(road):
    session = sessions.connect(road.settings.archive)
    query = f"SELECT COUNT(*) FROM {road.topology.keyspace}.windows"
    statement = SimpleStatement(query, consistency_level=ConsistencyLevel.ALL)
    try:
        return session.execute(statement, timeout=60).one()[0]
    finally:
        sessions.close(session)


@pytest.mark.timeout(560)
def test_one_node_of_each_dies_and_nothing_is_lost(stack, road):
    names = ["bridge-1", "bridge-2", "worker-1", "worker-2", "archive-1"]
    for name in names:
        road.start(name)
    road.ready(*names)
    publisher = Publisher(
        connections.nats_servers(road.settings), road.topology.subject, 9, RATE
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(publisher.run(),))
    progress = Progress(road, names)
    losses = []
    with progress.watched():
        thread.start()
        try:
            time.sleep(QUIET_SECONDS)
            leader = leader_of_the_stream(stack, road.topology)
            # Each first in its list: where clients begin.
            for victim in (leader, "kafka-1", "cassandra-1"):
                stack.kill(victim)
                losses.append((victim, time.monotonic()))
                time.sleep(KAFKA_SECONDS if victim == "kafka-1" else QUIET_SECONDS)
                assert not stack.process(victim).alive
        finally:
            loop.call_soon_threadsafe(publisher.stopping.set)
            thread.join()
        ended = time.monotonic()
        settle(road, names, publisher)
    assert all(road.processes[name].alive for name in names), "a process ended"

    # All that follows holds with the dead nodes dead, except what Cassandra stores:
    # a row that only the dead node had acknowledged is there when it is back.
    published = publisher.done
    result = verdict(road, published)
    counted, late = (
        round(sum(road.metric(name, metric) for name in names if "worker" in name))
        for metric in (COUNTED, LATE)
    )
    ends = [at for _, at in losses[1:]] + [ended]
    outages = {
        victim: {
            stage: round(progress.standstill(stage, at, end), 1)
            for stage in ("worker", "archive")
        }
        for (victim, at), end in zip(losses, ends, strict=True)
    }
    expected = defaultdict(set)
    for timestamp, *meter, voltage in published.readings.values():
        expected[*meter, timestamp].add(as_float32(voltage))
    stack.start(*(victim for victim, _ in losses))

    def all_is_archived():
        try:
            rows, windows = archived(road), windows_archived(road)
        except Unavailable:  # its neighbours have not yet seen that it is back
            return False
        return rows.keys() >= expected.keys() and windows >= result.windows

    road.wait_for(all_is_archived, "all to be in Cassandra", ARCHIVED_SECONDS_MAX)
    rows = archived(road)
    figures = {
        "published": len(published.readings) + len(published.broken),
        "counted": counted,
        "late": late,
        "dead_letters": result.dead,
        "windows": result.windows,
        "rows": len(rows),
        "standstill_seconds": outages,
    }
    print(json.dumps(figures))
    assert result.is_clean, str(result)
    assert figures["published"] == counted + late + result.dead
    assert rows.keys() == expected.keys()
    assert all(voltage in expected[key] for key, voltage in rows.items())
    assert windows_archived(road) == result.windows
    assert result.windows
    assert late
    assert result.dead
