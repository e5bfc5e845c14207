"""Versions of models, read back from Cassandra."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import orjson
from cassandra.query import dict_factory

from app.errors import RejectedQuery
from app.settings.archive import Archive
from app.sinks import schema
from app.sinks import session as sessions
from app.sinks.tables import MODEL_PARTS, MODELS

__all__ = ["StoredVersion", "Versions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """A version as the list of them has it; number and made are epoch seconds."""

    name: str
    number: int
    made: int
    parts: int
    summary: dict[str, Any]


class Versions:
    """A connection that reads versions; use it in a `with` block.

    Raises:
        SinkUnavailable: Cassandra is away, or did not answer in time.
        FatalError: The keyspace is not as it must be, or the user is refused.
    """

    def __init__(self, archive: Archive, keyspace: str) -> None:
        self._archive = archive
        self._keyspace = keyspace
        self._session: Any = None

    def __enter__(self) -> Self:
        self._session = sessions.connect(self._archive)
        try:
            schema.check(self._session, self._keyspace, (MODELS, MODEL_PARTS))
        except BaseException:
            sessions.close(self._session)
            raise
        sessions.give_rows_as(self._session, dict_factory)
        return self

    def __exit__(self, *details: object) -> None:
        del details
        sessions.close(self._session)

    def newest(self, names: Iterable[str], limit: int) -> list[StoredVersion]:
        """Return the newest versions of each name, limit of them, newest first."""
        found: list[StoredVersion] = []
        for name in names:
            rows = self._select(
                "SELECT name, version, made, parts, summary FROM {keyspace}.models"
                " WHERE name = %s LIMIT %s",
                (name, limit),
            )
            found += map(_version, rows)
        return found

    def find(self, name: str, number: int) -> StoredVersion:
        """Return a version.

        Raises:
            RejectedQuery: There is none of that name and number.
        """
        rows = self._select(
            "SELECT name, version, made, parts, summary FROM {keyspace}.models"
            " WHERE name = %s AND version = %s",
            (name, number),
        )
        if not rows:
            raise RejectedQuery(f"no version {number} of {name} is stored")
        return _version(rows[0])

    def state(self, version: StoredVersion) -> str:
        """Return a version's state, the JSON text.

        Raises:
            RejectedQuery: Not all of it is stored, or not yet.
        """
        rows = self._select(
            "SELECT part, state FROM {keyspace}.model_parts"
            " WHERE name = %s AND version = %s",
            (version.name, version.number),
        )
        if [row["part"] for row in rows] != list(range(version.parts)):
            raise RejectedQuery(
                f"version {version.number} of {version.name} is not complete:"
                f" {len(rows)} of {version.parts} parts are stored"
            )
        return "".join(row["state"] for row in rows)

    def _select(self, text: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
        seconds = self._archive.read_timeout_seconds
        with sessions.driver_errors():
            result = self._session.execute(
                text.format(keyspace=self._keyspace), values, timeout=seconds
            )
            return list(result)


def _version(row: dict[str, Any]) -> StoredVersion:
    return StoredVersion(
        name=row["name"],
        number=row["version"],
        made=row["made"],
        parts=row["parts"],
        summary=orjson.loads(row["summary"]),
    )
