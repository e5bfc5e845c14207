"""Rows as the bytes of a file, a part at a time."""

import csv
import importlib
import io
import tempfile
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from app.errors import SmartMeterError
from app.sinks.base import Rows
from app.sinks.rows import concatenate, length
from app.sinks.tables import Kind, Table

__all__ = ["EXCEL_ROWS_MAX", "Format", "TooManyRows", "Writer", "require", "writer"]

EXCEL_ROWS_MAX = 1_048_575  # beside the header
PARQUET_GROUP_ROWS = 100_000
ARROW_TYPES = {
    Kind.INT: "int32",
    Kind.BIGINT: "int64",
    Kind.FLOAT: "float32",
    Kind.DOUBLE: "float64",
    Kind.BOOLEAN: "bool_",
    Kind.TEXT: "string",
}


class Format(StrEnum):
    """A kind of file."""

    CSV = "csv"
    PARQUET = "parquet"
    XLSX = "xlsx"

    @property
    def media_type(self) -> str:
        """Its name on the web."""
        return {
            Format.CSV: "text/csv; charset=utf-8",
            Format.PARQUET: "application/vnd.apache.parquet",
            Format.XLSX: "application/vnd.openxmlformats-officedocument"
            ".spreadsheetml.sheet",
        }[self]


PACKAGES = {
    Format.PARQUET: ("pyarrow", "pyarrow.parquet"),
    Format.XLSX: ("xlsxwriter",),
}


class TooManyRows(SmartMeterError):
    """More rows than the format can hold."""

    exit_code = 2


def require(kind: Format, count: Callable[[], int]) -> None:
    """Make sure, before anything is written, that a format can take the rows.

    Raises:
        TooManyRows: There are more than it holds.
        SmartMeterError: The package that it needs is not installed.
    """
    for package in PACKAGES.get(kind, ()):
        _package(package, kind)
    if kind is Format.XLSX and (rows := count()) > EXCEL_ROWS_MAX:
        raise TooManyRows(_too_many(f"{rows:,}"))


def _too_many(rows: str) -> str:
    return (
        f"{rows} rows do not fit a sheet of Excel, which holds {EXCEL_ROWS_MAX:,}: "
        "choose fewer days, one line or transformer, or csv or parquet"
    )


class Writer(Protocol):
    """Writes rows of one table to a binary file."""

    def write(self, rows: Rows) -> None:
        """Add rows."""

    def finish(self) -> None:
        """Write what ends the file; it is not closed."""


def writer(kind: Format, table: Table, file: Any) -> Writer:
    """Return the writer of a format to a binary file, which need not be seekable.

    Raises:
        SmartMeterError: The package that it needs is not installed.
    """
    makers: dict[Format, Callable[[Table, Any], Writer]] = {
        Format.CSV: _Csv,
        Format.PARQUET: _Parquet,
        Format.XLSX: _Workbook,
    }
    return makers[kind](table, file)


class _Csv:
    """A header, then a line per row; an absent value is empty."""

    def __init__(self, table: Table, file: Any) -> None:
        self._names = list(table.columns)
        self._file = file
        self._line([self._names])

    def write(self, rows: Rows) -> None:
        columns = [_texts(rows[name]) for name in self._names]
        self._line(zip(*columns, strict=True))

    def finish(self) -> None:
        return

    def _line(self, rows: Any) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\r\n").writerows(rows)
        self._file.write(text.getvalue().encode())


def _texts(column: NDArray[Any]) -> list[Any]:
    if column.dtype.kind == "f":
        absent = np.isnan(column)
        column = column.astype(str)  # the shortest digits that are this float alone
        column[absent] = ""
    texts: list[Any] = column.tolist()
    return texts  # csv writes None as nothing


def _shortest(column: NDArray[Any]) -> NDArray[Any]:
    """Return 32-bit floats as the 64-bit ones that a person writes: 117.54573."""
    if column.dtype != np.float32:
        return column
    return column.astype(str).astype(np.float64)


class _Parquet:
    """Typed columns; an absent value is null."""

    def __init__(self, table: Table, file: Any) -> None:
        self._arrow = _package("pyarrow", "parquet")
        parquet = _package("pyarrow.parquet", "parquet")
        self._schema = self._arrow.schema(
            [
                (name, getattr(self._arrow, ARROW_TYPES[kind])())
                for name, kind in table.columns.items()
            ]
        )
        self._writer = parquet.ParquetWriter(file, self._schema)
        self._waiting: list[Rows] = []

    def write(self, rows: Rows) -> None:
        self._waiting.append(rows)
        if sum(map(length, self._waiting)) >= PARQUET_GROUP_ROWS:
            self._write_group()

    def finish(self) -> None:
        self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        if not self._waiting:
            return
        rows = concatenate(self._waiting)
        arrays = [
            self._arrow.array(rows[field.name], type=field.type, from_pandas=True)
            for field in self._schema
        ]
        self._writer.write_table(
            self._arrow.Table.from_arrays(arrays, schema=self._schema)
        )
        self._waiting = []


class _Workbook:
    """One sheet with types, a header that stays in view, and filters."""

    def __init__(self, table: Table, file: Any) -> None:
        xlsxwriter = _package("xlsxwriter", "xlsx")
        # Rows go to a temporary file as they come, so that memory stays small.
        self._folder = tempfile.TemporaryDirectory()
        options = {"constant_memory": True, "tmpdir": self._folder.name}
        self._book = xlsxwriter.Workbook(file, options)
        self._sheet = self._book.add_worksheet(table.name[:31])
        self._names = list(table.columns)
        bold = self._book.add_format({"bold": True})
        self._sheet.freeze_panes(1, 0)
        for place, name in enumerate(self._names):
            self._sheet.set_column(place, place, max(9, len(name) + 2))
        self._sheet.write_row(0, 0, self._names, bold)
        self._rows = 0

    def write(self, rows: Rows) -> None:
        if self._rows + length(rows) > EXCEL_ROWS_MAX:
            raise TooManyRows(_too_many(f"more than {EXCEL_ROWS_MAX:,}"))
        columns = [_shortest(rows[name]).tolist() for name in self._names]
        for row in zip(*columns, strict=True):
            self._rows += 1
            for place, value in enumerate(row):
                if value is not None and value == value:  # noqa: PLR0124 - not NaN
                    self._sheet.write(self._rows, place, value)

    def finish(self) -> None:
        self._sheet.autofilter(0, 0, self._rows, len(self._names) - 1)
        self._book.close()
        self._folder.cleanup()


def _package(name: str, kind: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise SmartMeterError(
            f"{kind} needs packages that are not installed: "
            "pip install 'smartmeter-streams[export]'"
        ) from None
