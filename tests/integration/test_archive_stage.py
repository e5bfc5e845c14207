"""The archive worker on a real Kafka and a real Cassandra, killed and cut off."""

import signal
from dataclasses import replace

import orjson
import psutil
import pytest

from app.errors import RejectedQuery
from app.sinks.versions import Versions
from app.wire.events import encode_event
from app.wire.models import encode_version
from tests.archived import Archived
from tests.door import Door
from tests.frames import frames_of, made_up_rows

STOP_SECONDS_MAX = 20
GROWTH_BYTES_MAX = 100 << 20


@pytest.fixture
def archived(kafka_server, cassandra_server, environ_for, tmp_path):
    environ = environ_for(archive={"group_frames_max": 16, "retry_seconds_max": 1})
    with Archived(environ, tmp_path) as road:
        yield road


def door_of(archived):
    archive = archived.settings.archive
    return Door(archive.contact_points, archive.port)


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

    late = {
        "lane": 3, "watermark": 9_000, "sequence": [77], "timestamp": [1_700_000_105],
        "line": [11], "transformer": [1], "usagepoint": [7], "voltage": [121.5],
        "late_by": [30],
    }  # fmt: skip
    archived.produce(topology.late, [(3, encode_event(late))])

    archived.produce(topology.alerts, [(3, value) for value in alert_events()])

    state = orjson.dumps({"text": "°" * 300_000})  # more than one part
    version = {
        "version": 1_700_006_400,
        "made": 1_700_008_200,
        "summary": {"labels": 7},
    }
    versions = encode_version("lane-3", state=state, **version)
    archived.produce(topology.model_versions, [(3, value) for value in versions])

    archived.start("archive")
    archived.ready("archive")

    archived.expect(rows)
    counts = {
        "models": 1,
        "model_parts": 2,
        "voltage_alerts": 2,
        "windows": 2,
        "max_voltage": 1,
        "temperature": 1,
        "temperature_forecast": 1,
        "predictions": 1,
        "late_readings": 1,
    }
    for table, count in counts.items():
        archived.wait_for(lambda t=table, n=count: archived.count(t) == n, table)
    assert [{"epoch": 900, "voltage": 118.5}] == archived.select("max_voltage")
    assert [{"epoch": 900, "temperature": -2.5}] == archived.select("temperature")
    stored = {row["transformer"]: row for row in archived.select("windows")}
    assert (2023, 11, 14) == tuple(stored[1][n] for n in ("year", "month", "day"))
    assert ("over", 115.25, 50) == tuple(
        stored[2][n] for n in ("verdict", "mean", "count")
    )
    (late,) = archived.select("late_readings")
    assert (121.5, 30, 77) == tuple(late[n] for n in ("voltage", "late_by", "sequence"))
    assert expected_alerts() == sorted(
        archived.select("voltage_alerts"), key=lambda row: row["transformer"]
    )
    (prediction,) = archived.select("predictions")
    assert (None, True, 0.75) == tuple(
        prediction[name] for name in ("temperature", "alert", "probability")
    )
    expect_version(archived, state)


def expect_version(archived, state):
    keyspace = archived.topology.keyspace
    with Versions(archived.settings.archive, keyspace) as versions:
        (version,) = versions.newest(["lane-3", "fleet"], 10)
        assert (1_700_006_400, {"labels": 7}) == (version.number, version.summary)
        assert version == versions.find("lane-3", version.number)
        assert state.decode() == versions.state(version)
        with pytest.raises(RejectedQuery, match="no version 5 of fleet is stored"):
            versions.find("fleet", 5)
        with pytest.raises(RejectedQuery, match="2 of 3 parts are stored"):
            versions.state(replace(version, parts=3))


def alert_events():
    """One alert with all that may happen to it, out of order and twice; one raised."""
    window = {
        "line": 11, "transformer": 1, "usagepoint": 7, "kind": "high",
        "epoch": 1_700_006_400, "voltage": 118.5, "mean": 115.25, "count": 50,
        "over": 3, "verdict": "too_high", "limit": 116.0, "alert": "-",
    }  # fmt: skip
    raised = {**window, "event": "raised", "at": 1_700_007_300}
    seen = {**window, "event": "acknowledged", "at": 1_700_008_000}
    end = {"peak": 119.5, "peak_usagepoint": 8, "peak_epoch": 1_700_007_300}
    cleared = {**window, **end, "event": "cleared", "at": 1_700_009_100, "windows": 2}
    other = {**raised, "transformer": 2, "kind": "low", "usagepoint": 0}
    return map(encode_event, (seen, cleared, raised, cleared, other, raised))


def expected_alerts():
    row = {
        "line": 11, "transformer": 1, "year": 2023, "month": 11, "day": 15,
        "epoch": 1_700_006_400, "usagepoint": 7, "kind": "high", "voltage_avg": 115.25,
        "voltage": 118.5, "threshold": 116.0, "count": 50, "over": 3,
        "verdict": "too_high", "raised": 1_700_007_300, "acknowledged": 1_700_008_000,
        "cleared": 1_700_009_100, "peak": 119.5, "peak_epoch": 1_700_007_300,
    }  # fmt: skip
    absent = dict.fromkeys(("acknowledged", "cleared", "peak", "peak_epoch"))
    return [row, row | absent | {"transformer": 2, "usagepoint": 0, "kind": "low"}]


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
    rows = made_up_rows(20_000, seed=5)
    again = list(frames_of(rows, 500)) * 25  # half a million readings wait meanwhile
    with door_of(archived) as door:
        archived.environ["SMARTMETER_ARCHIVE__PORT"] = str(door.port)
        archived.start("archive", SMARTMETER_ARCHIVE__TIMEOUT_SECONDS="2")
        archived.ready("archive")
        archived.produce(archived.topology.readings, frames_of(rows[:10_000], 60))
        archived.wait_for(archived.count, "the first rows")
        process = psutil.Process(archived.processes["archive"].pid)
        before = process.memory_info().rss

        door.close()
        archived.produce(archived.topology.readings, again)
        archived.wait_for(lambda: not archived._is_ready("archive"), "it to be away")
        archived.wait_for(lambda: archived.tries_that_failed() > 5, "a sixth try")
        assert "ok" in archived.get("archive", "/live")
        assert process.memory_info().rss - before < GROWTH_BYTES_MAX

        door.open()
        archived.ready("archive")
        archived.expect(rows)


def test_worker_starts_while_cassandra_is_away_and_stops_when_told(archived):
    rows = made_up_rows(500, seed=6)
    archived.produce(archived.topology.readings, frames_of(rows, 60))
    with door_of(archived) as door:
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
