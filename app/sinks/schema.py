"""The keyspace's schema: applied forward only, checked before anything is written.

Several processes may apply at once: a light-weight transaction makes them take turns,
and whoever comes second finds nothing left to do.
"""

import ast
import importlib.resources
import re
import string
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from app.errors import SchemaMismatch, SettingsError, SinkUnavailable
from app.settings import variable
from app.settings.archive import Archive
from app.sinks.session import Session, driver_errors
from app.sinks.tables import (
    LATE_READINGS,
    MODEL_PARTS,
    MODELS,
    RAW_DATA,
    TABLES,
    Table,
)

__all__ = ["VERSION", "apply", "check"]

HINT = "run `smartmeter schema apply`"
DAY_SECONDS = 86_400
DEFINITION_SECONDS_MAX = 60.0  # a definition waits until all nodes agree on it
LOCK_SECONDS = 120  # then a process that died with the lock no longer holds it
LOCK_WAIT_SECONDS_MAX = 150.0
LOCK_POLL_SECONDS = 0.5

Say = Callable[[str], None]


def _versions() -> dict[int, list[str]]:
    """Return the statements of each version, `$keyspace` still in them."""
    text = importlib.resources.files(__package__).joinpath("schema.cql").read_text()
    parts = re.split(r"^-- version (\d+)$", text, flags=re.MULTILINE)[1:]
    versions = {}
    for number, body in zip(parts[::2], parts[1::2], strict=True):
        bare = re.sub(r"--.*", "", body)
        statements = [part.strip() for part in bare.split(";")]
        versions[int(number)] = [part for part in statements if part]
    return versions


VERSION = max(_versions())
"""The schema version that this build writes to."""


def apply(session: Session, keyspace: str, archive: Archive, say: Say) -> None:
    """Bring the keyspace to this build's version and settings; say what was done.

    Raises:
        SchemaMismatch: The keyspace has a newer version than this build.
        SettingsError: The replication setting is no CQL map.
        SinkUnavailable: Cassandra did not answer in time.
    """
    with driver_errors():
        _apply_keyspace(session, keyspace, archive, say)
        with _turn(session, keyspace):
            applied = _applied(session, keyspace)
            _refuse_newer(keyspace, applied)
            for number, statements in _versions().items():
                if number > applied:
                    for statement in statements:
                        _define(session, keyspace, statement)
                    _record(session, keyspace, number)
                    say(f"keyspace {keyspace}: schema version {number} applied")
            _apply_ttls(session, keyspace, archive, say)


def check(session: Session, keyspace: str, tables: Sequence[Table] = TABLES) -> None:
    """Make sure that the keyspace is as this build needs it.

    Raises:
        SchemaMismatch: It is missing, older, newer, or a table differs.
        SinkUnavailable: Cassandra did not answer in time.
    """
    with driver_errors():
        if _replication(session, keyspace) is None:
            raise SchemaMismatch(f"keyspace {keyspace} does not exist: {HINT}")
        applied = _applied(session, keyspace)
        _refuse_newer(keyspace, applied)
        if applied < VERSION:
            raise SchemaMismatch(
                f"keyspace {keyspace} has schema version {applied}, "
                f"this build needs {VERSION}: {HINT}"
            )
        for table in tables:
            _check_table(session, keyspace, table)


def _refuse_newer(keyspace: str, applied: int) -> None:
    if applied > VERSION:
        raise SchemaMismatch(
            f"keyspace {keyspace} has schema version {applied}, newer than this "
            f"build's {VERSION}: update this installation"
        )


def _check_table(session: Session, keyspace: str, table: Table) -> None:
    rows = session.execute(
        "SELECT column_name, kind, type, position FROM system_schema.columns "
        "WHERE keyspace_name = %s AND table_name = %s",
        (keyspace, table.name),
    )
    found = {row.column_name: (row.type, row.kind, row.position) for row in rows}
    for name, kind in table.columns.items():
        wanted = (kind.cql, "regular", -1)
        if name in table.partition:
            wanted = (kind.cql, "partition_key", table.partition.index(name))
        elif name in table.clustering:
            wanted = (kind.cql, "clustering", table.clustering.index(name))
        if found.get(name) != wanted:
            raise SchemaMismatch(
                f"table {keyspace}.{table.name}: column {name} is "
                f"{_in_words(found.get(name))}, not {_in_words(wanted)}"
            )


def _in_words(column: tuple[str, str, int] | None) -> str:
    if column is None:
        return "missing"
    cql, role, position = column
    return cql if role == "regular" else f"{cql} ({role} {position})"


def _replication(session: Session, keyspace: str) -> dict[str, str] | None:
    row = session.execute(
        "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = %s",
        (keyspace,),
    ).one()
    return None if row is None else _normal(dict(row.replication))


def _normal(replication: dict[str, str]) -> dict[str, str]:
    short = replication.get("class", "").rpartition(".")[2]
    return {**replication, "class": short}


def _apply_keyspace(
    session: Session, keyspace: str, archive: Archive, say: Say
) -> None:
    try:
        wanted = {
            str(k): str(v) for k, v in ast.literal_eval(archive.replication).items()
        }
    except (AttributeError, SyntaxError, ValueError):
        raise SettingsError(
            f"{variable('archive', 'replication')}: not a CQL map such as "
            "{'class': 'NetworkTopologyStrategy', 'datacenter1': 3}"
        ) from None
    found = _replication(session, keyspace)
    if found is None:
        _define(
            session,
            keyspace,
            f"CREATE KEYSPACE IF NOT EXISTS $keyspace WITH replication = {wanted}",
        )
        say(f"keyspace {keyspace}: created, replication {wanted}")
    elif found != _normal(wanted):
        _define(
            session, keyspace, f"ALTER KEYSPACE $keyspace WITH replication = {wanted}"
        )
        say(f"keyspace {keyspace}: replication now {wanted}; run `nodetool repair`")


def _apply_ttls(session: Session, keyspace: str, archive: Archive, say: Say) -> None:
    rows = session.execute(
        "SELECT table_name, default_time_to_live FROM system_schema.tables "
        "WHERE keyspace_name = %s",
        (keyspace,),
    )
    found = {row.table_name: row.default_time_to_live for row in rows}
    for table in TABLES:
        days = archive.ttl_days_results
        if table in (RAW_DATA, LATE_READINGS):
            days = archive.ttl_days_raw
        elif table in (MODELS, MODEL_PARTS):
            days = archive.ttl_days_models
        if found.get(table.name) != days * DAY_SECONDS:
            seconds = days * DAY_SECONDS
            _define(
                session,
                keyspace,
                f"ALTER TABLE $keyspace.{table.name} "
                f"WITH default_time_to_live = {seconds}",
            )
            stay = f"{days} days" if days else "for ever"
            say(f"table {keyspace}.{table.name}: new rows stay {stay}")


def _define(session: Session, keyspace: str, statement: str) -> None:
    text = string.Template(statement).substitute(keyspace=keyspace)
    session.execute(text, timeout=DEFINITION_SECONDS_MAX)


def _applied(session: Session, keyspace: str) -> int:
    """Return the newest version applied; 0 where there is none."""
    known = session.execute(
        "SELECT table_name FROM system_schema.tables "
        "WHERE keyspace_name = %s AND table_name = 'schema_version'",
        (keyspace,),
    ).one()
    if known is None:
        return 0
    row = session.execute(
        f"SELECT max(version) AS version FROM {keyspace}.schema_version "  # noqa: S608 - a validated name
        "WHERE part = 'all'"
    ).one()
    return int(row.version or 0)


def _record(session: Session, keyspace: str, number: int) -> None:
    session.execute(
        f"INSERT INTO {keyspace}.schema_version (part, version, applied_at) "  # noqa: S608 - a validated name
        "VALUES ('all', %s, toTimestamp(now()))",
        (number,),
    )


@contextmanager
def _turn(session: Session, keyspace: str) -> Iterator[None]:
    """Hold the right to change the schema; wait for whoever holds it now."""
    _define(
        session,
        keyspace,
        "CREATE TABLE IF NOT EXISTS $keyspace.schema_version (part text, "
        "version int, applied_at timestamp, PRIMARY KEY (part, version))",
    )
    _define(
        session,
        keyspace,
        "CREATE TABLE IF NOT EXISTS $keyspace.schema_lock "
        "(name text PRIMARY KEY, owner uuid)",
    )
    owner = uuid.uuid4()
    lock = f"{keyspace}.schema_lock"
    deadline = time.monotonic() + LOCK_WAIT_SECONDS_MAX
    while not session.execute(
        f"INSERT INTO {lock} (name, owner) VALUES ('schema', %s) "  # noqa: S608 - a validated name
        f"IF NOT EXISTS USING TTL {LOCK_SECONDS}",
        (owner,),
    ).was_applied:
        if time.monotonic() > deadline:
            raise SinkUnavailable(f"another process keeps the lock in {lock}")
        time.sleep(LOCK_POLL_SECONDS)
    try:
        yield
    finally:
        session.execute(
            f"DELETE FROM {lock} WHERE name = 'schema' IF owner = %s",  # noqa: S608 - a validated name
            (owner,),
        )
