"""Stored rows as data frames (polars), for `smartmeter shell` or a notebook."""

from datetime import date
from typing import TYPE_CHECKING, Any

from app.exports.sources import SOURCES, Export
from app.settings import Settings
from app.sinks import query
from app.sinks.selection import Selection
from app.sinks.tables import Kind
from app.topology import Topology

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Frames"]

TYPES = {
    Kind.INT: "Int32",
    Kind.BIGINT: "Int64",
    Kind.FLOAT: "Float32",
    Kind.DOUBLE: "Float64",
    Kind.BOOLEAN: "Boolean",
    Kind.TEXT: "String",
}


class Frames:
    """The stored tables as data frames.

    An absent value is null. Nothing bounds a frame's size but the choice of rows.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def frame(
        self,
        source: str,
        first: str | None = None,
        last: str | None = None,
        line: int | None = None,
        transformer: int | None = None,
    ) -> "pl.DataFrame":
        """Return the rows of a source (see SOURCES); days as 2026-11-23, both included.

        Raises:
            KeyError: There is no such source.
            SinkUnavailable: Cassandra is away, or stays too busy.
        """
        import polars as pl

        if source not in SOURCES:
            raise KeyError(f"{source} is none of {', '.join(SOURCES)}")
        selection = Selection(
            first=date.fromisoformat(first) if first else None,
            last=date.fromisoformat(last) if last else None,
            line=line,
            transformer=transformer,
        )
        with Export(self._settings, source, selection) as export:
            kinds = {n: getattr(pl, TYPES[k]) for n, k in export.table.columns.items()}
            pages = [
                pl.DataFrame({n: _plain(c) for n, c in page.items()}, schema=kinds)
                for page in export.pages()
            ]
        return pl.concat([pl.DataFrame(schema=kinds), *pages]).fill_nan(None)

    def query(self, select: str) -> "pl.DataFrame":
        """Return what a SELECT finds; a table's keyspace may be left out.

        Raises:
            RejectedQuery: It is no SELECT, or Cassandra refuses it.
        """
        import polars as pl

        keyspace = Topology(self._settings).keyspace
        rows: list[Any] = []
        names: list[str] = []
        for found, page in query.select(self._settings.archive, keyspace, select):
            names = list(found)
            rows += page
        return pl.DataFrame(rows, schema=names, orient="row", infer_schema_length=None)

    def hourly(self, line: int, transformer: int, day: str) -> "pl.DataFrame":
        """Example 1: mean and maximum of the voltage by hour of a transformer's day."""
        import polars as pl

        volts = pl.col("voltage")
        return (
            self.frame("raw", day, day, line, transformer)
            .group_by("hour")
            .agg(mean=volts.mean(), maximum=volts.max(), readings=volts.count())
            .sort("hour")
        )

    def labelled(self, threshold_volts: float = 116.0) -> "pl.DataFrame":
        """Example 2: each epoch's temperature, and whether the fleet passed a voltage.

        The original trained its prediction on this: both tables, joined by their epoch.
        """
        import polars as pl

        return (
            self.frame("maxima")
            .join(self.frame("temperature"), on="epoch")
            .with_columns(
                time=pl.from_epoch("epoch"),
                over=pl.col("voltage") > threshold_volts,
            )
            .sort("epoch")
        )


def _plain(column: Any) -> Any:
    return column.tolist() if column.dtype.kind == "O" else column
