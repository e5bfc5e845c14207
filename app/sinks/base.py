"""What a sink promises."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from app.sinks.tables import Table

__all__ = ["RefusedRow", "Rows", "Sink"]

Rows = Mapping[str, NDArray[Any]]
"""Columns of one length by name. A column that is missing, and a float that is not a
number, leave that column of the row as it is (outside the primary key only)."""


class RefusedRow(NamedTuple):
    """A row that the store refuses for its content: which one, and why."""

    row: int
    detail: str


class Sink(Protocol):
    """A store of rows. Every write is an upsert: to repeat one changes nothing."""

    async def start(self) -> None:
        """Open the store.

        Raises:
            SinkUnavailable: It is away; `start` may be tried again.
            FatalError: It is there, and not as it must be.
        """

    async def stop(self) -> None:
        """Close the store; further writes raise SinkUnavailable."""

    async def write(self, table: Table, rows: Rows) -> Sequence[RefusedRow]:
        """Write rows, in their order as far as they share a key: the last one stays.

        Returns:
            The rows refused for their content; all others are stored.

        Raises:
            SinkUnavailable: Some or all are not stored; write them all again later.
            FatalError: The store is not as it must be.
        """
        ...
