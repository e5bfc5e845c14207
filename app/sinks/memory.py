"""A sink in memory, for tests: the same promises, and faults on demand."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from app.errors import SinkUnavailable
from app.sinks.base import RefusedRow, Rows
from app.sinks.rows import length
from app.sinks.tables import Table

__all__ = ["MemorySink"]

Row = dict[str, Any]


class MemorySink:
    """Keeps rows by table and primary key.

    refuse returns why a row is refused, or nothing; while `away` is true, every call
    raises SinkUnavailable.
    """

    def __init__(self, refuse: Callable[[Table, Row], str] | None = None) -> None:
        self.tables: dict[str, dict[tuple[Any, ...], Row]] = {}
        self.away = False
        self._refuse = refuse or (lambda _table, _row: "")
        self._started = False

    async def start(self) -> None:
        """Open."""
        self._available()
        self._started = True

    async def stop(self) -> None:
        """Close; the rows stay to be looked at."""
        self._started = False

    async def write(self, table: Table, rows: Rows) -> Sequence[RefusedRow]:
        """Merge rows into those of the same key."""
        self._available()
        if not self._started:
            raise SinkUnavailable("the sink is not started")
        refused = []
        columns = {n: rows[n].tolist() for n in table.columns if n in rows}
        kept = self.tables.setdefault(table.name, {})
        for index in range(length(rows)):
            row = {name: values[index] for name, values in columns.items()}
            why = self._refuse(table, row)
            if why:
                refused.append(RefusedRow(index, why))
                continue
            key = tuple(row[name] for name in table.key)
            kept.setdefault(key, dict.fromkeys(table.columns)).update(
                (n, v) for n, v in row.items() if not _absent(v)
            )
        return refused

    def _available(self) -> None:
        if self.away:
            raise SinkUnavailable("the sink is away")


def _absent(value: Any) -> bool:
    return isinstance(value, float) and bool(np.isnan(value))
