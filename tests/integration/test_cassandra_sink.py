"""The Cassandra sink on a real server: the contract, and what only a server can do."""

import asyncio
from types import SimpleNamespace

import pytest

from app.errors import SchemaMismatch, SinkUnavailable
from app.sinks import schema
from app.sinks import session as sessions
from app.sinks.cassandra import CassandraSink
from app.sinks.tables import RAW_DATA
from tests.contracts.sink_contract import TABLES, SinkContract
from tests.rows import a_raw_row, raw_columns


@pytest.fixture
def keyspace(cassandra_server, settings_for, namespace):
    """Return the settings of a keyspace with this build's schema."""
    settings = settings_for(archive={"batch_rows_max": 25, "in_flight_batches_max": 8})
    session = sessions.connect(settings.archive)
    schema.apply(session, namespace, settings.archive, lambda _: None)
    session.execute(
        f"CREATE TABLE {namespace}.notes "
        "(name text, place int, note text, PRIMARY KEY (name, place))"
    )
    yield SimpleNamespace(name=namespace, archive=settings.archive, session=session)
    session.execute(f"DROP KEYSPACE IF EXISTS {namespace}", timeout=60)
    sessions.close(session)


@pytest.fixture
async def harness(keyspace):
    sink = CassandraSink(keyspace.archive, keyspace.name, TABLES)
    await sink.start()

    async def read(table):
        columns = ", ".join(table.columns)
        query = f"SELECT {columns} FROM {keyspace.name}.{table.name}"
        return [row._asdict() for row in keyspace.session.execute(query)]

    yield SimpleNamespace(sink=sink, read=read)
    await sink.stop()


class TestCassandraSink(SinkContract):
    """The contract of sinks, kept by a real server."""


async def test_event_loop_is_never_held_up(harness):
    """While rows are on their way, the loop goes on turning."""
    rows = raw_columns([a_raw_row(usagepoint=n) for n in range(1, 5_001)])
    turns = 0
    writing = asyncio.ensure_future(harness.sink.write(RAW_DATA, rows))
    while not writing.done():
        turns += 1
        await asyncio.sleep(0)
    await writing
    assert turns > 5_000 / 25  # more often than there were batches


async def test_dropped_table_stops_the_sink_and_blames_no_row(harness, keyspace):
    await harness.sink.write(RAW_DATA, raw_columns([a_raw_row()]))
    keyspace.session.execute(f"DROP TABLE {keyspace.name}.raw_data", timeout=60)

    with pytest.raises(SchemaMismatch, match="raw_data"):
        await harness.sink.write(RAW_DATA, raw_columns([a_raw_row()]))


async def test_statement_that_the_server_forgot_is_prepared_again(harness, keyspace):
    await harness.sink.write(RAW_DATA, raw_columns([a_raw_row()]))
    # Altering a table makes the server forget the statements on it.
    keyspace.session.execute(
        f"ALTER TABLE {keyspace.name}.raw_data ADD note text", timeout=60
    )

    rows = raw_columns([a_raw_row(usagepoint=n) for n in range(1, 101)])
    assert [] == list(await harness.sink.write(RAW_DATA, rows))

    assert 100 == len(await harness.read(RAW_DATA))


async def test_port_where_nobody_listens_is_unavailable_in_one_line(keyspace):
    archive = keyspace.archive.model_copy(update={"port": 1, "timeout_seconds": 2.0})
    sink = CassandraSink(archive, keyspace.name)
    with pytest.raises(SinkUnavailable, match="no Cassandra answers") as caught:
        await sink.start()
    assert "\n" not in str(caught.value)
    await sink.stop()


async def test_missing_keyspace_is_a_schema_mismatch(keyspace):
    sink = CassandraSink(keyspace.archive, keyspace.name + "_not")
    with pytest.raises(SchemaMismatch, match="does not exist: run `smartmeter schema"):
        await sink.start()
    await sink.stop()
