"""Average voltage by line, transformer and day, from the raw rows."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np

from app.settings import Settings
from app.sinks.base import Rows
from app.sinks.cassandra import CassandraSink
from app.sinks.rows import length
from app.sinks.scan import Key, Scan
from app.sinks.selection import Selection
from app.sinks.tables import AVERAGES, RAW_DATA
from app.topology import Topology

__all__ = ["averages", "raw_keys", "sample", "write_averages"]

ROWS_MAX = 500  # written together
# A reading without a voltage counts for nothing; floats are added up as doubles.
SUMS = "count(voltage) AS count, sum(CAST(voltage AS double)) AS total"

Progress = Callable[[float], None]


def raw_keys(scan: Scan, selection: Selection, progress: Progress) -> Iterator[Key]:
    """Yield the partition keys of the raw rows that are wanted."""
    for page in scan.partitions(RAW_DATA, progress):
        wanted = selection.take(page)
        yield from zip(*(wanted[n].tolist() for n in RAW_DATA.partition), strict=True)


def averages(scan: Scan, selection: Selection, progress: Progress) -> Iterator[Rows]:
    """Yield rows of `avg_voltage_by_transformer`, some at a time.

    A partition of raw rows is one transformer's day, so each gives one average, and
    Cassandra adds it up where the rows are.
    """
    found: list[tuple[int | float, ...]] = []
    keys = raw_keys(scan, selection, progress)
    for key, sums in scan.values(RAW_DATA, SUMS, keys):
        count, total = int(sums["count"][0]), float(sums["total"][0])
        if count:
            found.append((*key, total / count))
        if len(found) == ROWS_MAX:
            yield _rows(found)
            found = []
    if found:
        yield _rows(found)


def _rows(found: list[tuple[int | float, ...]]) -> Rows:
    *keys, means = zip(*found, strict=True)
    rows = {
        name: np.array(column, np.int32)
        for name, column in zip(RAW_DATA.partition, keys, strict=True)
    }
    return {**rows, "voltage_avg": np.array(means, np.float32)}


def sample(settings: Settings, selection: Selection, most: int) -> Rows:
    """Return a few of the raw rows that are wanted."""
    columns = list(RAW_DATA.columns)
    with Scan(settings.archive, Topology(settings).keyspace) as scan:
        keys = raw_keys(scan, selection, lambda _: None)
        for _, page in scan.rows(RAW_DATA, columns, islice(keys, 1)):
            return {name: page[name][:most] for name in columns}
    return {name: np.empty(0) for name in columns}


def write_averages(
    settings: Settings,
    selection: Selection,
    progress: Progress,
    each: Callable[[Rows], object],
) -> int:
    """Upsert the averages, show each part, and return how many there are.

    Nothing is removed first: a run that fails leaves what was there.

    Raises:
        SinkUnavailable: Cassandra is away, or stays too busy.
        FatalError: The keyspace is not as it must be, or the user is refused.
    """
    return asyncio.run(_write_averages(settings, selection, progress, each))


async def _write_averages(
    settings: Settings,
    selection: Selection,
    progress: Progress,
    each: Callable[[Rows], object],
) -> int:
    keyspace = Topology(settings).keyspace
    sink = CassandraSink(settings.archive, keyspace)
    await sink.start()
    written = 0
    try:
        with Scan(settings.archive, keyspace) as scan:
            parts = averages(scan, selection, progress)
            while rows := await asyncio.to_thread(next, parts, None):
                await sink.write(AVERAGES, rows)
                written += length(rows)
                each(rows)
    finally:
        await sink.stop()
    return written
