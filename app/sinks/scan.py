"""Reading tables back: as columns, page by page, whatever their size.

A table is read by ranges of the token ring, several at once, so that every node of a
cluster has a share of the work and no request takes long; or partition by partition,
where only some are wanted. Memory holds a few pages.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np
from cassandra.cluster import ResponseFuture, ResultSet
from cassandra.protocol import NumpyProtocolHandler
from cassandra.query import BoundStatement, PreparedStatement
from numpy.typing import NDArray
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from app.errors import SinkUnavailable
from app.settings.archive import Archive
from app.sinks import schema
from app.sinks import session as sessions
from app.sinks.base import Rows
from app.sinks.rows import length
from app.sinks.tables import Table

__all__ = ["Key", "Scan"]

PAGE_ROWS = 5_000
IN_FLIGHT = 8
TOKEN_MIN, TOKEN_END = -(2**63), 2**63
RANGES = 256  # of the ring, so that one takes a second where the table takes minutes
TRIES = 5
RETRY_SECONDS_MAX = 5.0

Key = tuple[Any, ...]
"""The values of a partition key."""
Progress = Callable[[float], None]
"""Is told the part that is done, 0 to 1."""


class Scan:
    """A connection that reads tables as columns; use it in a `with` block."""

    def __init__(self, archive: Archive, keyspace: str) -> None:
        self._archive = archive
        self._keyspace = keyspace
        self._session: Any = None
        self._statements: dict[str, PreparedStatement] = {}

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *details: object) -> None:
        del details
        self.close()

    def open(self) -> None:
        """Connect.

        Raises:
            SinkUnavailable: No host answers.
            FatalError: The user is refused, or the schema is not this build's.
        """
        self._session = sessions.connect(self._archive)
        try:
            schema.check(self._session, self._keyspace)
        except BaseException:
            sessions.close(self._session)
            raise
        # From here on answers come as columns.
        sessions.give_rows_as(self._session, _as_read)
        self._session.client_protocol_handler = NumpyProtocolHandler

    def close(self) -> None:
        """End the connection."""
        sessions.close(self._session)

    # What callers read --------------------------------------------------------------

    def partitions(
        self, table: Table, progress: Progress | None = None
    ) -> Iterator[Rows]:
        """Yield the keys of all partitions, in pages."""
        yield from self._ranges(
            f"DISTINCT {', '.join(table.partition)}", table, progress
        )

    def everything(
        self, table: Table, columns: Sequence[str], progress: Progress | None = None
    ) -> Iterator[Rows]:
        """Yield all rows of a table, in pages, in no order."""
        yield from self._ranges(", ".join(columns), table, progress)

    def rows(
        self,
        table: Table,
        columns: Sequence[str],
        keys: Iterable[Key],
        by: Sequence[str] = (),
    ) -> Iterator[tuple[Key, Rows]]:
        """Yield the rows of partitions, in the order of their keys, in pages.

        by names the columns of the keys, where they are more than the partition's.
        """
        statement = self._where(", ".join(columns), table, by or table.partition)
        for key, result in self._ahead((key, statement.bind(key)) for key in keys):
            for page in self._pages(result):
                yield key, page

    def values(
        self, table: Table, expression: str, keys: Iterable[Key]
    ) -> Iterator[tuple[Key, Rows]]:
        """Yield what Cassandra computes of each partition, in the order of the keys."""
        statement = self._where(expression, table, table.partition)
        for key, result in self._ahead((key, statement.bind(key)) for key in keys):
            yield key, _columns(result.current_rows)

    # How ----------------------------------------------------------------------------

    def _ranges(
        self, what: str, table: Table, progress: Progress | None
    ) -> Iterator[Rows]:
        token = f"token({', '.join(table.partition)})"
        statement = self._prepared(
            f"SELECT {what} FROM {self._keyspace}.{table.name} "  # noqa: S608 - names of ours
            f"WHERE {token} >= ? AND {token} <= ?"
        )
        step = (TOKEN_END - TOKEN_MIN) // RANGES
        bounds = ((b, b + step - 1) for b in range(TOKEN_MIN, TOKEN_END, step))
        requests = ((bound, statement.bind(bound)) for bound in bounds)
        for number, (_, result) in enumerate(self._ahead(requests), start=1):
            yield from self._pages(result)
            if progress is not None:
                progress(number / RANGES)

    def _where(self, what: str, table: Table, by: Sequence[str]) -> PreparedStatement:
        marks = " AND ".join(f"{name} = ?" for name in by)
        return self._prepared(
            f"SELECT {what} FROM {self._keyspace}.{table.name} WHERE {marks}"  # noqa: S608 - names of ours
        )

    def _prepared(self, query: str) -> PreparedStatement:
        if query not in self._statements:
            with sessions.driver_errors():
                statement = self._session.prepare(query)
            statement.fetch_size = PAGE_ROWS
            self._statements[query] = statement
        return self._statements[query]

    def _ahead(
        self, requests: Iterable[tuple[Key, BoundStatement]]
    ) -> Iterator[tuple[Key, ResultSet]]:
        """Yield results in the order of the requests, of which some are under way."""
        waiting: deque[tuple[Key, BoundStatement, ResponseFuture]] = deque()
        for key, statement in requests:
            waiting.append((key, statement, self._send(statement)))
            if len(waiting) >= IN_FLIGHT:
                yield self._answer(*waiting.popleft())
        while waiting:
            yield self._answer(*waiting.popleft())

    def _send(self, statement: BoundStatement) -> ResponseFuture:
        seconds = self._archive.read_timeout_seconds
        return self._session.execute_async(statement, timeout=seconds)

    def _answer(
        self, key: Key, statement: BoundStatement, sent: ResponseFuture
    ) -> tuple[Key, ResultSet]:
        try:
            with sessions.driver_errors():
                return key, sent.result()
        except SinkUnavailable:
            return key, _patiently(lambda: self._send(statement).result())

    def _pages(self, result: ResultSet) -> Iterator[Rows]:
        while True:
            page = _columns(result.current_rows)
            if length(page):
                yield page
            if not result.has_more_pages:
                return
            _patiently(result.fetch_next_page)


def _as_read(_names: list[str], page: Any) -> Any:
    return page


def _patiently(request: Callable[[], Any]) -> Any:
    def once() -> Any:
        with sessions.driver_errors():
            return request()

    patience = Retrying(
        retry=retry_if_exception_type(SinkUnavailable),
        wait=wait_random_exponential(max=RETRY_SECONDS_MAX),
        stop=stop_after_attempt(TRIES),
        reraise=True,
    )
    return patience(once)


def _columns(page: Any) -> dict[str, NDArray[Any]]:
    """Return the driver's page as columns; an absent float is not a number."""
    columns = page[0] if isinstance(page, list) else page
    return {name: _plain(column) for name, column in (columns or {}).items()}


def _plain(column: Any) -> NDArray[Any]:
    if not isinstance(column, np.ma.MaskedArray):
        return np.asarray(column)
    if column.dtype.kind == "f":
        return column.filled(np.nan)
    if not np.ma.is_masked(column):
        return column.data
    return np.array(column.tolist(), object)  # an absent value becomes None
