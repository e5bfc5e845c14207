"""Batch work over a real Cassandra: averages and verification against oracles."""

import math
from collections import defaultdict
from datetime import UTC, date, datetime

import pytest
from click.testing import CliRunner

from app.batch import averages
from app.batch.verify import verify
from app.cli import cli
from app.sinks.selection import Selection
from tests.frames import made_up_rows, rows_expected
from tests.oracle import Oracle
from tests.stored import stored

SIZE, THRESHOLD = 900, 116.0


@pytest.fixture
def archive(cassandra_server, settings_for):
    settings = settings_for(
        windows={"size_seconds": SIZE, "threshold_volts": THRESHOLD}
    )
    with stored(settings) as keyspace:
        yield keyspace


@pytest.fixture
def command(environ_for, monkeypatch):
    """Return a runner of `smartmeter …` in this test's environment."""

    def run(*arguments):
        for name, value in environ_for(windows={"size_seconds": SIZE}).items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(cli, arguments)

    return run


def distinct(count, seed):
    """Return readings of which no meter has two in one second."""
    return list(rows_expected(made_up_rows(count, seed)).values())


def averages_expected(rows):
    volts = defaultdict(list)
    for row in rows:
        day = datetime.fromtimestamp(row["timestamp"], UTC).date()
        volts[row["line"], row["transformer"], day].append(row["voltage"])
    return {key: math.fsum(values) / len(values) for key, values in volts.items()}


def averages_stored(archive):
    return {
        (row.line, row.transformer, date(row.year, row.month, row.day)): row.voltage_avg
        for row in archive.execute("SELECT * FROM $.avg_voltage_by_transformer")
    }


def test_averages_are_those_of_the_oracle(archive, command):
    rows = distinct(20_000, seed=1)
    archive.write_readings(rows)

    result = command("batch", "averages")

    expected = averages_expected(rows)
    assert expected == pytest.approx(averages_stored(archive), rel=1e-6)
    assert 0 == result.exit_code
    assert f"{len(expected)} averages are stored." in result.output
    assert "day_of_week" in result.output  # the sample of raw rows
    assert "voltage_avg" in result.output  # and the one of averages


def test_averages_of_some_days_leave_the_others_as_they_are(archive):
    rows = distinct(5_000, seed=2)
    archive.write_readings(rows)
    archive.execute(
        "INSERT INTO $.avg_voltage_by_transformer (line, transformer, year, month, day,"
        " voltage_avg) VALUES (11, 1, 2020, 1, 1, 99.5)"
    )
    day = datetime.fromtimestamp(rows[len(rows) // 2]["timestamp"], UTC).date()
    selection = Selection(first=day, last=day, line=12)

    averages.write_averages(archive.settings, selection, lambda _: None, lambda _: None)

    expected = {
        key: mean
        for key, mean in averages_expected(rows).items()
        if key[0] == 12 and key[2] == day
    } | {(11, 1, date(2020, 1, 1)): 99.5}
    assert expected == pytest.approx(averages_stored(archive), rel=1e-6)


def verified(archive, rows, late):
    """Write readings, their windows and maxima; return the oracle."""
    oracle = Oracle(SIZE, 0, THRESHOLD)
    for row in rows:
        if row not in late:
            names = ("timestamp", "line", "transformer", "usagepoint", "voltage")
            oracle.read(None, *(row[name] for name in names))
    archive.write_readings(rows)
    archive.write_late(late)
    archive.write_windows(oracle)
    return oracle


def test_windows_and_maxima_that_are_right_show_no_difference(archive, command):
    rows = distinct(8_000, seed=3)
    late = rows[100:8_000:37]
    oracle = verified(archive, rows, late)

    found = verify(archive.settings, Selection(), lambda _: None)

    assert (0, []) == (found.differences, found.examples)
    assert (len(rows) - len(late), len(late)) == (found.readings, found.readings_late)
    assert (len(oracle.windows), 0) == (found.windows, found.windows_open)
    assert len(oracle.fleet_maxima()) == found.maxima
    result = command("batch", "verify", "--line", "11")
    assert 0 == result.exit_code
    assert "No difference." in result.output


def test_every_kind_of_difference_is_found(archive, command):
    rows = distinct(4_000, seed=4)
    oracle = verified(archive, rows, [])
    (missing, changed), last = sorted(oracle.windows)[:2], max(oracle.windows)

    def where(key):
        day = datetime.fromtimestamp(key[0], UTC)
        return (
            f"line={key[1]} AND year={day.year} AND month={day.month} AND day={day.day}"
            f" AND transformer={key[2]} AND start={key[0]}"
        )

    archive.execute(f"DELETE FROM $.windows WHERE {where(missing)}")
    archive.execute(f"UPDATE $.windows SET maximum=400.5 WHERE {where(changed)}")
    archive.execute(f"UPDATE $.max_voltage SET voltage=400.5 WHERE epoch={changed[0]}")
    archive.execute(  # a window of which there are no raw rows at all
        "INSERT INTO $.windows (line, year, month, day, transformer, start, count)"
        f" VALUES (77, 2023, 11, 14, 1, {missing[0]}, 5)"
    )

    found = verify(archive.settings, Selection(), lambda _: None)

    kinds = {(d.line, d.transformer, d.start, d.column) for d in found.examples}
    columns = ("count", "minimum", "maximum", "mean", "usagepoint", "over")
    assert {(*missing[1:], missing[0], column) for column in columns} | {
        (*changed[1:], changed[0], "maximum"),
        (0, 0, changed[0], "voltage"),
        (0, 0, 0, "windows without raw rows"),
    } == kinds
    assert len(kinds) == found.differences
    assert last not in {(d.start, d.line, d.transformer) for d in found.examples}
    result = command("batch", "verify")
    assert 1 == result.exit_code
    assert "400.5" in result.output


def test_windows_that_their_lane_has_not_closed_are_not_compared(archive):
    rows = distinct(2_000, seed=5)
    oracle = verified(archive, rows, [])
    latest = {}
    for start, line, transformer in oracle.windows:
        key = (line, transformer)
        latest[key] = max(start, latest.get(key, start))
    fresh = dict(rows[0], timestamp=max(latest.values()) + 10 * SIZE)
    archive.write_readings([fresh])

    found = verify(archive.settings, Selection(), lambda _: None)

    assert (0, 1) == (found.differences, found.windows_open)


def test_day_after_the_last_is_a_wrong_use(command):
    result = command("batch", "averages", "--from", "2026-02-01", "--to", "2026-01-01")
    assert 2 == result.exit_code
    assert "2026-02-01 is after 2026-01-01" in result.output
