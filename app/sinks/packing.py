"""Rows as the bytes of CQL batches, encoded column by column.

The driver binds value by value: 12 µs a row of `raw_data`. Here NumPy writes all rows
of a group at once into records that already are the body of the protocol's BATCH
message (native protocol, 4.1.7), and a batch is a slice of them: 1 µs a row.

A record is one bound statement: kind (1: prepared), its id, the number of values,
then each value with its length before it. Rows that lack columns, or whose texts have
other lengths, have other records, so they are packed apart ("shapes").
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.sinks.base import Rows
from app.sinks.rows import length
from app.sinks.tables import Kind, Table

__all__ = ["Batch", "Limits", "pack"]

UNSET = -2  # native protocol 4: leave the column as it is, and write no tombstone
PREPARED = 1
Shape = tuple[int, ...]
"""The length in bytes of each value of a row; UNSET where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The largest batch, by rows and by bytes (a single row may be larger)."""

    rows: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Bound statements of one partition: their bytes, and which rows they are.

    width is the bytes of one row; routing_key is the partition's key as the driver
    hashes it to find the replicas.
    """

    rows: NDArray[np.intp]
    body: bytes
    width: int
    routing_key: bytes

    def halves(self) -> "tuple[Batch, Batch]":
        """Return the two halves of a batch of at least two rows."""
        middle = len(self.rows) // 2
        return self._part(0, middle), self._part(middle, len(self.rows))

    def _part(self, begin: int, end: int) -> "Batch":
        return Batch(
            rows=self.rows[begin:end],
            body=self.body[begin * self.width : end * self.width],
            width=self.width,
            routing_key=self.routing_key,
        )


def pack(table: Table, rows: Rows, query_id: bytes, limits: Limits) -> list[Batch]:
    """Return rows as batches of one partition each.

    Rows that share a primary key are packed as one, with the last value of each column:
    within a batch all have one write time, and Cassandra would settle such a tie by
    value.
    """
    if not length(rows):
        return []
    columns = {name: rows[name] for name in table.columns if name in rows}
    order, new_key, new_partition = _sorted(table, columns)
    if not new_key.all():
        _carry_forward(table, columns, order, new_key)
        last = np.append(new_key[1:], True)
        group = np.cumsum(new_partition)[last]
        new_partition = np.append(True, group[1:] != group[:-1])
        order = order[last]
    batches: list[Batch] = []
    for shape, at in _shapes(table, columns, order):
        chosen = order[at]
        records = _records(table, columns, chosen, shape, query_id)
        keys = _routing_keys(table, columns, chosen)
        width = records.dtype.itemsize
        body = records.tobytes()
        for begin, end in _cuts(at, new_partition, limits, width):
            batches.append(
                Batch(
                    rows=chosen[begin:end],
                    body=body[begin * width : end * width],
                    width=width,
                    routing_key=keys(begin),
                )
            )
    return batches


def _sorted(
    table: Table, columns: dict[str, NDArray[Any]]
) -> tuple[NDArray[np.intp], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the rows in the order of their keys; rows of one key keep their order.

    And for each place in it, whether a new key and a new partition begin there.
    """
    count = length(columns)
    new_key, new_partition = np.zeros((2, count), bool)
    new_key[0] = new_partition[0] = True
    varying = [name for name in table.key if _varies(columns[name])]
    if not varying:
        return np.arange(count), new_key, new_partition
    order = np.lexsort([columns[name] for name in reversed(varying)])
    for name in varying:
        ordered = columns[name][order]
        changes = ordered[1:] != ordered[:-1]
        new_key[1:] |= changes
        if name in table.partition:
            new_partition[1:] |= changes
    return order, new_key, new_partition


def _carry_forward(
    table: Table,
    columns: dict[str, NDArray[Any]],
    order: NDArray[np.intp],
    new_key: NDArray[np.bool_],
) -> None:
    """Give absent values the value of the row before of the same key."""
    places = np.arange(len(order))
    begins = np.maximum.accumulate(np.where(new_key, places, 0))
    for name, column in columns.items():
        if not _may_be_absent(table, name, column):
            continue
        ordered = column[order]
        present = ~np.isnan(ordered)
        if not present.all():
            carried = np.maximum.accumulate(np.where(present, places, begins))
            columns[name] = filled = np.empty_like(column)
            filled[order] = ordered[carried]


def _may_be_absent(table: Table, name: str, column: NDArray[Any]) -> bool:
    return name not in table.key and column.dtype.kind == "f"


def _varies(column: NDArray[Any]) -> bool:
    return bool((column != column[0]).any())


def _shapes(
    table: Table, columns: dict[str, NDArray[Any]], order: NDArray[np.intp]
) -> Iterator[tuple[Shape, NDArray[np.intp]]]:
    """Yield each shape with the places (in the order) of the rows that have it."""
    fixed: list[int] = []
    variable: dict[int, NDArray[np.int64]] = {}
    for place, (name, kind) in enumerate(table.columns.items()):
        column = columns.get(name)
        width = np.dtype(kind.dtype or "V").itemsize
        fixed.append(width if column is not None else UNSET)
        if column is None:
            continue
        if kind is Kind.TEXT:
            texts = [str(text).encode() for text in column.tolist()]
            columns[name] = column = np.array(texts, object)
            variable[place] = np.array([len(text) for text in column[order]])
        elif _may_be_absent(table, name, column):
            missing = np.isnan(column)
            if missing.any():
                variable[place] = np.where(missing[order], UNSET, width)
    if not variable:
        yield tuple(fixed), np.arange(len(order))
        return
    lengths = np.stack(list(variable.values()), axis=1)
    distinct, which = np.unique(lengths, axis=0, return_inverse=True)
    for number, values in enumerate(distinct):
        shape = list(fixed)
        for place, value in zip(variable, values, strict=True):
            shape[place] = int(value)
        yield tuple(shape), np.flatnonzero(which.ravel() == number)


@lru_cache(maxsize=256)
def _record(
    table_columns: tuple[tuple[str, Kind], ...], shape: Shape, query_id: bytes
) -> NDArray[Any]:
    """Return a record of a shape with everything but its values filled in."""
    fields: list[tuple[str, Any]] = [
        (":kind", "u1"),  # with a colon, that no column has
        (":id_length", ">u2"),
        (":id", f"V{len(query_id)}"),
        (":values", ">u2"),
    ]
    for (name, kind), size in zip(table_columns, shape, strict=True):
        fields.append((f"{name}:length", ">i4"))
        if size > 0:
            fields.append((name, kind.dtype or f"V{size}"))
    record = np.zeros((), fields)
    record[":kind"] = PREPARED
    record[":id_length"] = len(query_id)
    record[":id"] = np.void(query_id)
    record[":values"] = len(shape)
    for (name, _), size in zip(table_columns, shape, strict=True):
        record[f"{name}:length"] = size
    return record


def _records(
    table: Table,
    columns: dict[str, NDArray[Any]],
    chosen: NDArray[np.intp],
    shape: Shape,
    query_id: bytes,
) -> NDArray[Any]:
    record = _record(tuple(table.columns.items()), shape, query_id)
    records = np.full(len(chosen), record, record.dtype)
    for (name, kind), size in zip(table.columns.items(), shape, strict=True):
        if size > 0:
            values = columns[name][chosen]
            if kind is Kind.TEXT:
                values = np.array(list(values), f"S{size}").view(f"V{size}")
            records[name] = values
    return records


def _cuts(
    at: NDArray[np.intp], new_partition: NDArray[np.bool_], limits: Limits, width: int
) -> Iterator[tuple[int, int]]:
    """Yield where batches begin and end: at partitions, and at the limits."""
    most = max(1, min(limits.rows, limits.bytes // width))
    group = np.cumsum(new_partition)[at]
    starts = np.flatnonzero(np.append(True, group[1:] != group[:-1])).tolist()
    for start, stop in zip(starts, [*starts[1:], len(at)], strict=True):
        for begin in range(start, stop, most):
            yield begin, min(begin + most, stop)


def _routing_keys(
    table: Table, columns: dict[str, NDArray[Any]], chosen: NDArray[np.intp]
) -> Any:
    """Return a function from a row's place to the key of its partition.

    One component is its bytes; several are each length, bytes and a zero byte.
    """
    names = table.partition
    alone = len(names) == 1

    def key(place: int) -> bytes:
        parts = []
        for name in names:
            kind = table.columns[name]
            value = columns[name][chosen[place]]
            parts.append(
                value if kind is Kind.TEXT else np.array(value, kind.dtype).tobytes()
            )
        if alone:
            return bytes(parts[0])
        return b"".join(len(p).to_bytes(2, "big") + p + b"\0" for p in parts)

    return key
