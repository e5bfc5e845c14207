"""The archive worker on a real Kafka and a real Cassandra, killed and cut off."""

import asyncio
import contextlib
import signal
import socket
import threading
from calendar import timegm

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from app.domain.readings import EXTRA_COLUMNS
from app.sinks import schema
from app.sinks import session as sessions
from app.wire.events import encode_event
from tests.frames import frames_of, made_up_rows, rows_expected
from tests.road import Road

STOP_SECONDS_MAX = 20


class Archived(Road):
    """A road with an archive worker alone: records come straight from the test."""

    def __init__(self, environ, folder):
        super().__init__(environ, folder)
        self.session = sessions.connect(self.settings.archive)
        schema.apply(self.session, self.topology.keyspace, self.settings.archive, print)

    def __exit__(self, *details):
        super().__exit__(*details)
        self.session.execute(f"DROP KEYSPACE {self.topology.keyspace}", timeout=60)
        sessions.close(self.session)

    def produce(self, topic, records):
        asyncio.run(self._produce(topic, records))

    async def _produce(self, topic, records):
        producer = AIOKafkaProducer(
            bootstrap_servers=self.settings.kafka.servers, linger_ms=5
        )
        await producer.start()
        try:
            sent = [
                await producer.send(topic.name, value, partition=partition)
                for partition, value in records
            ]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    def select(self, table, columns="*"):
        query = f"SELECT {columns} FROM {self.topology.keyspace}.{table}"  # noqa: S608 - ours
        return [row._asdict() for row in self.session.execute(query)]

    def count(self, table="raw_data"):
        return self.select(table, "count(*) AS count")[0]["count"]

    def raw_data(self):
        """Return the readings by meter and second."""
        found = {}
        for row in self.select("raw_data"):
            calendar = ("year", "month", "day", "hour", "minute", "second")
            moment = timegm(tuple(row[name] for name in calendar))
            key = (row["line"], row["transformer"], row["usagepoint"], moment)
            columns = ("line", "transformer", "usagepoint", "voltage", *EXTRA_COLUMNS)
            found[key] = {name: row[name] for name in columns} | {"timestamp": moment}
        return found

    def expect(self, rows):
        """Wait until all is committed, then compare every value of every reading."""
        expected = rows_expected(rows)
        self.wait_for(lambda: not asyncio.run(self._uncommitted()), "the last commit")
        found = self.raw_data()
        assert expected.keys() == found.keys()
        assert expected == found

    def tries_that_failed(self):
        """Return how often Cassandra was found away; 0 while there are no pages yet."""
        try:
            return self.metric("archive", "smartmeter_archive_unavailable_total")
        except OSError:
            return 0

    async def _uncommitted(self):
        """Return how many frames the group has not committed yet."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka.servers,
            group_id=self.topology.archive_group,
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            topic = self.topology.readings
            places = [TopicPartition(topic.name, n) for n in range(topic.partitions)]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            committed = {place: await consumer.committed(place) for place in places}
            return sum(ends[place] - (committed[place] or 0) for place in places)
        finally:
            await consumer.stop()


@pytest.fixture
def archived(kafka_server, cassandra_server, environ_for, tmp_path):
    environ = environ_for(archive={"group_frames_max": 16, "retry_seconds_max": 1})
    with Archived(environ, tmp_path) as road:
        yield road


def test_everything_that_stages_publish_is_stored(archived):
    rows = made_up_rows(6_000, seed=1)
    topology = archived.topology
    archived.produce(topology.readings, frames_of(rows, 100))
    windows = {
        "lane": 3, "watermark": 9_000, "start": [1_700_000_100] * 2, "line": [11, 12],
        "transformer": [1, 2], "count": [40, 50], "minimum": [110.5, 111.5],
        "maximum": [118.5, 119.5], "mean": [114.25, 115.25], "usagepoint": [7, 8],
        "over": [3, 4], "verdict": ["normal", "over"],
    }  # fmt: skip
    archived.produce(topology.windows, [(3, encode_event(windows))])
    archived.produce(
        topology.maxima, [(0, encode_event({"epoch": 900, "voltage": 118.5}))]
    )
    temperature = {"kind": "temperature", "epoch": 900, "celsius": -2.5, "hours": 0}
    forecast = {"kind": "forecast", "epoch": 44_100, "celsius": 4.5, "hours": 12}
    archived.produce(
        topology.weather,
        [(n, encode_event(e)) for n in range(8) for e in (temperature, forecast)],
    )
    predictions = {
        "lane": 3, "made": 900, "hours": 12, "threshold": 116.0, "temperature": None,
        "epoch": [44_100], "line": [11], "transformer": [1], "probability": [0.75],
        "alert": [True],
    }  # fmt: skip
    archived.produce(topology.predictions, [(3, encode_event(predictions))])

    archived.start("archive")
    archived.ready("archive")

    archived.expect(rows)
    for table, count in {
        "windows": 2,
        "predictions": 1,
        "temperature_forecast": 1,
    }.items():
        archived.wait_for(lambda t=table, n=count: archived.count(t) == n, table)
    assert [{"epoch": 900, "voltage": 118.5}] == archived.select("max_voltage")
    assert [{"epoch": 900, "temperature": -2.5}] == archived.select("temperature")
    stored = {row["transformer"]: row for row in archived.select("windows")}
    assert (2023, 11, 14) == tuple(stored[1][n] for n in ("year", "month", "day"))
    assert ("over", 115.25, 50) == tuple(
        stored[2][n] for n in ("verdict", "mean", "count")
    )
    (prediction,) = archived.select("predictions")
    assert (None, True, 0.75) == tuple(
        prediction[name] for name in ("temperature", "alert", "probability")
    )


def test_nothing_is_lost_though_the_worker_is_killed_again_and_again(archived):
    rows = made_up_rows(80_000, seed=2)
    archived.produce(archived.topology.readings, frames_of(rows, 60))

    for _ in range(4):
        archived.start("archive")
        archived.ready("archive")
        archived.wait_for(
            lambda: archived.metric("archive", "smartmeter_archive_rows_total") > 4_000,
            "some rows of this life",
        )
        assert archived.metric("archive", "smartmeter_archive_lag_records")
        archived.processes["archive"].kill()
    archived.start("archive")
    archived.ready("archive")

    archived.expect(rows)


def test_another_worker_takes_over_what_a_killed_one_had(archived):
    rows = made_up_rows(40_000, seed=3)
    archived.start("archive-1")
    archived.start("archive-2")
    archived.ready("archive-1", "archive-2")
    archived.produce(archived.topology.readings, frames_of(rows[:20_000], 60))
    for name in ("archive-1", "archive-2"):
        archived.wait_for(
            lambda n=name: archived.metric(n, "smartmeter_archive_rows_total"),
            f"{name} to store something",
        )
    archived.processes["archive-1"].kill()
    archived.produce(archived.topology.readings, frames_of(rows[20_000:], 60))

    archived.expect(rows)


def test_useless_records_become_dead_letters_with_their_coordinates(archived):
    good = list(frames_of(made_up_rows(1, seed=4), 1))
    readings = archived.topology.readings
    partition = good[0][0]
    bad = [b"", b"{", b'{"v":99}', b'{"v":1,"lane":1}', b"\xff"]
    archived.produce(readings, [(partition, value) for value in bad] + good)
    archived.produce(archived.topology.maxima, [(0, encode_event({"epoch": "soon"}))])
    archived.start("archive")
    archived.ready("archive")

    archived.wait_for(lambda: archived.count() == 1, "the good reading")

    letters = archived.wait_for(
        lambda: (
            (found := archived.records(archived.topology.dead_letters.name))
            and len(found) == 6
            and [fields for _, _, fields in found]
        ),
        "six dead letters",
    )
    frames = {
        letter["sequence"]: letter
        for letter in letters
        if "readings" in letter["subject"]
    }
    assert list(range(5)) == sorted(frames)
    assert {f"{readings.name}/{partition}"} == {f["subject"] for f in frames.values()}
    assert "version" == frames[2]["reason"]
    assert {"json"} == {frames[n]["reason"] for n in (0, 1, 3, 4)}


def test_outage_delays_and_loses_nothing(archived):
    rows = made_up_rows(40_000, seed=5)
    with Door(archived.settings.archive) as door:
        archived.environ["SMARTMETER_ARCHIVE__PORT"] = str(door.port)
        archived.start("archive", SMARTMETER_ARCHIVE__TIMEOUT_SECONDS="2")
        archived.ready("archive")
        archived.produce(archived.topology.readings, frames_of(rows[:20_000], 60))
        archived.wait_for(archived.count, "the first rows")

        door.close()
        archived.produce(archived.topology.readings, frames_of(rows[20_000:], 60))
        archived.wait_for(lambda: not archived._is_ready("archive"), "it to be away")
        archived.wait_for(lambda: archived.tries_that_failed() > 2, "a third try")
        assert "ok" in archived.get("archive", "/live")

        door.open()
        archived.ready("archive")
        archived.expect(rows)


def test_worker_starts_while_cassandra_is_away_and_stops_when_told(archived):
    rows = made_up_rows(500, seed=6)
    archived.produce(archived.topology.readings, frames_of(rows, 60))
    with Door(archived.settings.archive) as door:
        door.close()
        archived.environ["SMARTMETER_ARCHIVE__PORT"] = str(door.port)
        archived.start("archive", SMARTMETER_ARCHIVE__TIMEOUT_SECONDS="2")
        archived.wait_for(archived.tries_that_failed, "a try that fails")

        worker = archived.processes["archive"]
        worker.signal(signal.SIGTERM)
        archived.wait_for(lambda: not worker.alive, "its end", STOP_SECONDS_MAX)
        assert 0 == worker.exit_code

        archived.start("archive", SMARTMETER_ARCHIVE__TIMEOUT_SECONDS="2")
        archived.wait_for(archived.tries_that_failed, "a try that fails")
        door.open()
        archived.ready("archive")
        archived.expect(rows)


class Door:
    """A way to Cassandra that can be closed: connections are cut and refused."""

    def __init__(self, archive):
        self._target = (archive.contact_points, archive.port)
        self._sockets = []
        self._open = True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.close()
        self._listener.close()

    def open(self):
        self._open = True

    def close(self):
        self._open = False
        for end in self._sockets:
            with contextlib.suppress(OSError):  # it may be closed already
                end.shutdown(socket.SHUT_RDWR)
        self._sockets.clear()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self._open:
                near.close()
                continue
            far = socket.create_connection(self._target)
            self._sockets += [near, far]
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=ends, daemon=True).start()

    @staticmethod
    def _carry(source, target):
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
        except OSError:
            pass  # the door was closed
        source.close()
        target.close()
