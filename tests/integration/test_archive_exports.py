"""Getting rows out of a real Cassandra: query, export and shell, as a user has them."""

import csv
import errno
import io
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow.parquet
import pytest
from click.testing import CliRunner

from app import settings
from app.cli import cli, main
from app.exports import formats
from app.exports.frames import Frames
from app.sinks.tables import RAW_DATA, TEMPERATURE
from tests.frames import made_up_rows, rows_expected
from tests.oracle import Oracle
from tests.stored import stored

NAMES = list(RAW_DATA.columns)
COUNT = 1_500


@pytest.fixture(scope="module")
def rows():
    return list(rows_expected(made_up_rows(COUNT, seed=7)).values())


@pytest.fixture(scope="module")
def keyspace(cassandra_server, servers, rows):
    """Return a keyspace with readings, windows and maxima, for all tests here."""
    environ = servers.environ(f"t{secrets.token_hex(6)}")
    with stored(settings.load(environ)) as keyspace:
        oracle = Oracle(900, 0, 116.0)
        for row in rows:
            names = ("timestamp", "line", "transformer", "usagepoint", "voltage")
            oracle.read(None, *(row[name] for name in names))
        keyspace.write_readings(rows)
        keyspace.write_windows(oracle)
        keyspace.oracle, keyspace.environ = oracle, environ
        yield keyspace


@pytest.fixture
def archive(keyspace, monkeypatch, tmp_path):
    """Return the keyspace, where commands run in this test find it."""
    for name, value in keyspace.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    keyspace.folder = tmp_path
    return keyspace


def run(*arguments):
    """Run a command; return its exit code and what it printed."""
    result = CliRunner().invoke(cli, arguments)
    return result.exit_code, result.output


def as_stored(row):
    """Return a made-up reading as a row of the table."""
    moment = datetime.fromtimestamp(row["timestamp"], UTC)
    calendar = ("year", "month", "day", "hour", "minute", "second")
    return {
        **row,
        **{name: getattr(moment, name) for name in calendar},
        "day_of_week": moment.isoweekday() % 7,
    }


def table_of(rows):
    """Return rows as tuples in the order of the table's columns, sorted by key."""
    tuples = (tuple(row[name] for name in NAMES) for row in map(as_stored, rows))
    return sorted(tuples, key=lambda row: row[:9])


def test_query_of_the_original_shows_its_columns(archive):
    code, output = run("query", f"select * from {archive.keyspace}.raw_data limit 2")
    assert 0 == code
    assert set(NAMES) <= set(output.split())
    assert "(2 rows)" in output


def test_query_gives_csv_and_json_in_full(archive, rows):
    code, output = run("query", "select voltage from raw_data", "--format", "csv")
    assert 0 == code
    volts = sorted(float(line) for line in output.split()[1:])
    assert sorted(row["voltage"] for row in rows) == volts
    code, output = run("query", "select count(*) from raw_data", "--format", "json")
    assert (0, f'{{"count":{len(rows)}}}\n') == (code, output)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("select nothing from raw_data", "nothing"),
        ("select * from no_such_table", "no_such_table"),
        ("select from", "no viable alternative"),
        ("drop table raw_data", "only SELECT"),
    ],
)
def test_wrong_query_ends_in_one_line_and_1(archive, capsys, statement, reason):
    with pytest.raises(SystemExit) as ended:
        main(["query", statement])
    message = capsys.readouterr().err
    assert 1 == ended.value.code
    assert reason in message
    assert 1 == message.count("\n")


def test_csv_holds_the_table(archive, rows):
    assert (0, f"raw.csv: {len(rows):,} rows\n") == run("export", "raw")

    with Path("raw.csv").open(newline="") as file:
        header, *lines = csv.reader(file)

    assert NAMES == header
    found = [
        tuple(
            None if text == "" else int(text) if place < 10 else float(np.float32(text))
            for place, text in enumerate(line)
        )
        for line in lines
    ]
    assert table_of(rows) == sorted(found, key=lambda row: row[:9])
    days = [tuple(row[3:6]) for row in found]
    assert sorted(days) == days  # a person expects the days in their order


def test_parquet_holds_the_table_with_its_types(archive, rows):
    assert 0 == run("export", "raw", "-o", "out.parquet")[0]

    table = pyarrow.parquet.read_table("out.parquet")

    assert NAMES == table.column_names
    assert {"int32", "float"} == {str(kind) for kind in table.schema.types}
    found = [tuple(row[name] for name in NAMES) for row in table.to_pylist()]
    assert table_of(rows) == sorted(found, key=lambda row: row[:9])


def test_workbook_holds_the_table_and_opens_as_excel_expects(archive, rows):
    code, output = run("export", "raw", "--format", "xlsx")
    assert (0, f"raw.xlsx: {len(rows):,} rows\n") == (code, output)

    sheet = openpyxl.load_workbook("raw.xlsx").active

    header, *lines = sheet.iter_rows(values_only=True)
    assert NAMES == list(header)
    assert sheet["A1"].font.bold
    assert "A2" == sheet.freeze_panes
    assert f"A1:V{len(rows) + 1}" == sheet.auto_filter.ref
    found = [
        tuple(float(np.float32(v)) if isinstance(v, float) else v for v in line)
        for line in lines
    ]
    assert table_of(rows) == sorted(found, key=lambda row: row[:9])
    assert all(len(repr(line[-1])) <= 10 for line in lines)  # 117.54573, not 16 digits


def test_choice_of_days_line_and_transformer_is_kept_to(archive, rows):
    day = datetime.fromtimestamp(rows[-1]["timestamp"], UTC).strftime("%Y-%m-%d")
    chosen = [
        row
        for row in rows
        if row["line"] == 11
        and row["transformer"] == 3
        and datetime.fromtimestamp(row["timestamp"], UTC).strftime("%Y-%m-%d") == day
    ]
    assert 0 < len(chosen) < len(rows)
    arguments = ["--from", day, "--to", day, "--line", "11", "--transformer", "3"]
    assert (0, f"raw.csv: {len(chosen)} rows\n") == run("export", "raw", *arguments)


def test_windows_and_maxima_are_exported_by_time(archive):
    assert 0 == run("export", "windows")[0]
    with Path("windows.csv").open(newline="") as file:
        windows = list(csv.DictReader(file))
    assert archive.oracle.windows.keys() == {
        tuple(int(row[name]) for name in ("start", "line", "transformer"))
        for row in windows
    }
    assert 0 == run("export", "maxima")[0]
    with Path("maxima.csv").open(newline="") as file:
        epochs = [int(row["epoch"]) for row in csv.DictReader(file)]
    assert sorted(archive.oracle.fleet_maxima()) == epochs


def test_workbook_above_excels_limit_is_refused_and_leaves_no_file(
    archive, capsys, monkeypatch
):
    monkeypatch.setattr(formats, "EXCEL_ROWS_MAX", 1_000)
    with pytest.raises(SystemExit) as ended:
        main(["export", "raw", "--format", "xlsx"])
    assert 2 == ended.value.code
    assert "do not fit a sheet of Excel" in capsys.readouterr().err
    assert [] == list(Path().iterdir())


def test_full_disk_is_said_in_one_line_and_leaves_what_was_there(
    archive, capsys, monkeypatch
):
    Path("raw.csv").write_text("of yesterday")
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class FullFile(io.BytesIO):
        def write(self, _data):
            raise full

    monkeypatch.setattr("pathlib.Path.open", lambda *_, **__: FullFile())
    with pytest.raises(SystemExit) as ended:
        main(["export", "raw"])

    assert 1 == ended.value.code
    expected = (
        "smartmeter: raw.csv: the disk is full: free some space,"
        " or choose another place\n"
    )
    assert expected == capsys.readouterr().err
    assert [Path("raw.csv")] == list(Path().iterdir())
    monkeypatch.undo()
    assert "of yesterday" == Path(archive.folder, "raw.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["export", "raw", "--format", "doc"], 2, "'doc' is not one of"),
        (["export", "everything"], 2, "'everything' is not one of"),
        (["export", "raw", "--from", "yesterday"], 2, "does not match the format"),
        (["export", "raw", "--line", "0"], 2, "is not in the range"),
        (["export", "raw", "-o", "nowhere/raw.csv"], 1, "No such file or directory"),
    ],
)
def test_wrong_use_of_export_is_said(archive, capsys, arguments, code, message):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert code == ended.value.code
    assert message in capsys.readouterr().err


def test_missing_keyspace_is_said_by_every_command(archive, capsys, monkeypatch):
    monkeypatch.setenv("SMARTMETER_NAMESPACE", "nobody")
    for arguments in (["export", "raw"], ["batch", "verify"], ["shell", "-c", "1"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        expected = "keyspace nobody does not exist: run `smartmeter schema apply`"
        assert (1, f"smartmeter: {expected}\n") == (
            ended.value.code,
            capsys.readouterr().err,
        )


def test_frames_hold_the_tables_and_the_examples_work(archive, rows):
    epochs = list(archive.oracle.fleet_maxima())
    archive.write(
        TEMPERATURE,
        {
            "epoch": np.array(epochs[:5]),
            "temperature": np.array([1.5] * 5, np.float32),
        },
    )
    frames = Frames(archive.settings)

    frame = frames.frame("raw")
    assert (len(rows), NAMES) == (len(frame), frame.columns)
    assert sum(row["val3"] is None for row in rows) == frame["val3"].null_count()
    assert ["count"] == frames.query("select count(*) from windows").columns
    assert 0 == len(frames.frame("alerts"))
    one = as_stored(rows[0])
    day = f"{one['year']}-{one['month']:02}-{one['day']:02}"
    hourly = frames.hourly(one["line"], one["transformer"], day)
    assert one["hour"] in hourly["hour"]
    labelled = frames.labelled(116.0)
    maxima = archive.oracle.fleet_maxima()
    assert [maxima[e] > 116.0 for e in sorted(epochs[:5])] == labelled["over"].to_list()


def test_shell_runs_code_with_the_names_it_promises(archive):
    code = 'print(frame("maxima").height, session.keyspace)'
    expected = f"{len(archive.oracle.fleet_maxima())} {archive.keyspace}"
    assert (0, f"{expected}\n") == run("shell", "-c", code)
