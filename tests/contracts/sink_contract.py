"""What every sink must do; each implementation's test module runs all of it.

A harness gives a started sink, reads a table back as dictionaries, and knows a row
that the sink refuses for its content.
"""

from typing import Any, Protocol

import numpy as np
import pytest

from app.errors import SinkUnavailable
from app.sinks.base import Rows, Sink
from app.sinks.tables import MAX_VOLTAGE, RAW_DATA, Kind, Table
from tests.rows import a_raw_row, raw_columns

# A text in the key: the one content that a real Cassandra refuses (above 64 KiB).
NOTES = Table(
    name="notes",
    columns={"name": Kind.TEXT, "place": Kind.INT, "note": Kind.TEXT},
    partition=("name",),
    clustering=("place",),
)
TABLES = (RAW_DATA, MAX_VOLTAGE, NOTES)
REFUSED_NAME = "x" * 70_000


class Harness(Protocol):
    sink: Sink

    async def read(self, table: Table) -> list[dict[str, Any]]: ...


class SinkContract:
    """Inherit, and provide the fixture `harness` with TABLES."""

    async def test_written_rows_are_read_back_with_every_column(self, harness):
        rows = [a_raw_row(usagepoint=n, voltage=110.0 + n) for n in range(1, 301)]

        assert [] == list(await harness.sink.write(RAW_DATA, raw_columns(rows)))

        assert by_meter(rows) == by_meter(await harness.read(RAW_DATA))

    async def test_rows_of_many_partitions_are_all_written(self, harness):
        rows = [
            a_raw_row(line=line, transformer=transformer, day=day, usagepoint=meter)
            for line in (11, 12)
            for transformer in (1, 2, 3)
            for day in (1, 2)
            for meter in (1, 2, 3)
        ]

        await harness.sink.write(RAW_DATA, raw_columns(rows))

        assert by_meter(rows) == by_meter(await harness.read(RAW_DATA))

    async def test_writing_the_same_rows_again_changes_nothing(self, harness):
        rows = raw_columns([a_raw_row(usagepoint=n) for n in range(1, 20)])
        await harness.sink.write(RAW_DATA, rows)
        once = by_meter(await harness.read(RAW_DATA))

        await harness.sink.write(RAW_DATA, rows)

        assert once == by_meter(await harness.read(RAW_DATA))

    async def test_last_of_two_rows_with_one_key_stays(self, harness):
        rows = [a_raw_row(voltage=volts) for volts in (119.0, 121.0, 112.0)]

        await harness.sink.write(RAW_DATA, raw_columns(rows))

        assert [112.0] == [row["voltage"] for row in await harness.read(RAW_DATA)]

    async def test_absent_value_leaves_the_column_as_it_is(self, harness):
        await harness.sink.write(RAW_DATA, raw_columns([a_raw_row(demand=4.5)]))

        again = raw_columns([a_raw_row(voltage=99.5), a_raw_row(usagepoint=2)])
        again["demand"] = np.array([np.nan, np.nan], "f4")
        del again["val3"]
        await harness.sink.write(RAW_DATA, again)

        first, second = by_meter(await harness.read(RAW_DATA))
        assert (99.5, 4.5, 3.0) == (first["voltage"], first["demand"], first["val3"])
        assert (None, None) == (second["demand"], second["val3"])

    async def test_rows_of_one_key_are_merged_however_they_are_written(self, harness):
        """Writing them at once or one by one gives the same row."""
        volts, demands = [119.0, 121.0, 112.0, 113.0], [np.nan, 7.5, np.nan, np.nan]
        for usagepoint, sizes in (
            (1, [4]),
            (2, [1, 1, 1, 1]),
            (3, [1, 3]),
            (4, [3, 1]),
        ):
            rows = raw_columns(
                [a_raw_row(usagepoint=usagepoint, voltage=v) for v in volts]
            )
            rows["demand"] = np.array(demands, "f4")
            begin = 0
            for size in sizes:
                part = {
                    name: column[begin : begin + size] for name, column in rows.items()
                }
                await harness.sink.write(RAW_DATA, part)
                begin += size

        read = await harness.read(RAW_DATA)
        assert [(113.0, 7.5)] * 4 == [(row["voltage"], row["demand"]) for row in read]

    async def test_present_and_absent_values_mix_in_one_write(self, harness):
        rows = [a_raw_row(usagepoint=n) for n in range(1, 41)]
        columns = raw_columns(rows)
        columns["demand"][::3] = np.nan
        columns["val7"][::2] = np.nan

        await harness.sink.write(RAW_DATA, columns)

        read = by_meter(await harness.read(RAW_DATA))
        assert [row["usagepoint"] % 3 == 1 for row in read] == [
            row["demand"] is None for row in read
        ]
        assert [row["usagepoint"] % 2 == 1 for row in read] == [
            row["val7"] is None for row in read
        ]

    async def test_refused_row_is_named_and_its_neighbours_are_written(self, harness):
        names = ["a", REFUSED_NAME, "b", "b", "ü"]
        rows = notes(names, places=range(5), texts=["", "two", "three", "4", "fünf"])

        refused = await harness.sink.write(NOTES, rows)

        assert [1] == [row.row for row in refused]
        assert refused[0].detail
        assert "\n" not in refused[0].detail
        read = sorted(
            (r["place"], r["name"], r["note"]) for r in await harness.read(NOTES)
        )
        assert [
            (0, "a", ""),
            (2, "b", "three"),
            (3, "b", "4"),
            (4, "ü", "fünf"),
        ] == read

    async def test_no_rows_are_no_trouble(self, harness):
        assert [] == list(await harness.sink.write(RAW_DATA, raw_columns([])))

    async def test_stopped_sink_is_unavailable_and_starts_again(self, harness):
        rows = {"epoch": np.array([900]), "voltage": np.array([118.5], "f4")}
        await harness.sink.stop()
        await harness.sink.stop()
        with pytest.raises(SinkUnavailable):
            await harness.sink.write(MAX_VOLTAGE, rows)

        await harness.sink.start()
        await harness.sink.write(MAX_VOLTAGE, rows)

        assert [{"epoch": 900, "voltage": 118.5}] == await harness.read(MAX_VOLTAGE)


def notes(names: list[str], places: Any, texts: list[str]) -> Rows:
    return {
        "name": np.array(names, object),
        "place": np.array(list(places), np.int64),
        "note": np.array(texts, object),
    }


def by_meter(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: [row[name] for name in RAW_DATA.key])
