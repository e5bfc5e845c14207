"""What there is to export, and its rows in an order that a person expects."""

from collections.abc import Callable, Iterator
from typing import Self

import numpy as np

from app.settings import Settings
from app.sinks.base import Rows
from app.sinks.rows import concatenate, length
from app.sinks.scan import Key, Scan
from app.sinks.selection import Selection
from app.sinks.tables import (
    AVERAGES,
    LATE_READINGS,
    MAX_VOLTAGE,
    PREDICTIONS,
    RAW_DATA,
    TEMPERATURE,
    VOLTAGE_ALERTS,
    WINDOWS,
    Table,
)
from app.topology import Topology

__all__ = ["SOURCES", "Export"]

SOURCES = {
    "raw": RAW_DATA,
    "late": LATE_READINGS,
    "windows": WINDOWS,
    "maxima": MAX_VOLTAGE,
    "temperature": TEMPERATURE,
    "predictions": PREDICTIONS,
    "alerts": VOLTAGE_ALERTS,
    "averages": AVERAGES,
}
ORDER = ("year", "month", "day", "line", "transformer")

Progress = Callable[[float], None]


def _no_progress(_done: float) -> None:
    return


class Export:
    """Rows of one table, chosen; use it in a `with` block.

    Raises:
        SinkUnavailable: Cassandra is away, or stays too busy.
        FatalError: The keyspace is not as it must be, or the user is refused.
    """

    def __init__(self, settings: Settings, source: str, selection: Selection) -> None:
        self.table: Table = SOURCES[source]
        self._selection = selection
        self._scan = Scan(settings.archive, Topology(settings).keyspace)
        self._keys: list[Key] | None = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *details: object) -> None:
        del details
        self.close()

    def open(self) -> None:
        """Connect."""
        self._scan.open()

    def close(self) -> None:
        """End the connection."""
        self._scan.close()

    def pages(self, progress: Progress = _no_progress) -> Iterator[Rows]:
        """Yield the rows, by day, line and transformer, or by epoch."""
        columns = list(self.table.columns)
        if self.table.partition == ("epoch",):
            yield from self._by_epoch(columns, progress)
            return
        keys = self._chosen()
        places = {key: place for place, key in enumerate(keys, start=1)}
        for key, page in self._scan.rows(self.table, columns, keys):
            rows = self._selection.take(page)
            if length(rows):
                yield {name: rows[name] for name in columns}
            progress(places[key] / len(keys))

    def count(self) -> int:
        """Return how many rows there are, without reading them where it can be told."""
        if set(ORDER[:3]) <= set(self.table.partition):
            counts = self._scan.values(self.table, "count(*) AS count", self._chosen())
            return sum(int(row["count"][0]) for _, row in counts)
        return sum(map(length, self.pages()))

    def _by_epoch(self, columns: list[str], progress: Progress) -> Iterator[Rows]:
        pages = self._scan.everything(self.table, columns, progress)
        chosen: list[Rows] = [self._selection.take(page) for page in pages]
        if chosen:
            rows = concatenate(chosen)
            order = np.argsort(rows["epoch"], kind="stable")
            yield {name: rows[name][order] for name in columns}

    def _chosen(self) -> list[Key]:
        if self._keys is None:
            found: list[Key] = []
            for page in self._scan.partitions(self.table):
                wanted = self._selection.take(page)
                names = self.table.partition
                found += zip(*(wanted[name].tolist() for name in names), strict=True)
            self._keys = sorted(found, key=self._rank)
        return self._keys

    def _rank(self, key: Key) -> Key:
        values = dict(zip(self.table.partition, key, strict=True))
        return tuple(values[name] for name in ORDER if name in values)
