"""A person's SELECT, page by page."""

from collections.abc import Iterator, Sequence
from typing import Any

from cassandra.query import SimpleStatement, tuple_factory

from app.errors import RejectedQuery
from app.settings.archive import Archive
from app.sinks import session as sessions

__all__ = ["select"]

PAGE_ROWS = 500
Page = tuple[Sequence[str], Sequence[Sequence[Any]]]
"""The names of the columns, and rows."""


def select(archive: Archive, keyspace: str, text: str) -> Iterator[Page]:
    """Yield what a SELECT finds, at least one page; tables need no keyspace's name.

    Raises:
        RejectedQuery: It is no SELECT, or Cassandra refuses it.
        SinkUnavailable: Cassandra is away, or did not answer in time.
        SettingsError: The user is refused.
    """
    if not text.lstrip().lower().startswith("select"):
        raise RejectedQuery("only SELECT may be asked here; cqlsh takes the rest")
    session = sessions.connect(archive)
    try:
        known = session.cluster.metadata.keyspaces
        if keyspace in known:
            session.set_keyspace(keyspace)
        sessions.give_rows_as(session, tuple_factory)
        statement = SimpleStatement(text, fetch_size=PAGE_ROWS)
        with sessions.driver_errors():
            result = session.execute(statement, timeout=archive.read_timeout_seconds)
            while True:
                yield result.column_names, result.current_rows
                if not result.has_more_pages:
                    return
                result.fetch_next_page()
    finally:
        sessions.close(session)
