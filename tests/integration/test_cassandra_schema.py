"""The schema on a real server: applied once, in order, by many at once."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from app.errors import SchemaMismatch, SettingsError
from app.sinks import schema
from app.sinks import session as sessions
from app.sinks.tables import AVERAGES, TABLES, VOLTAGE_ALERTS


@pytest.fixture
def keyspace(cassandra_server, settings_for, namespace):
    """Return a keyspace that does not exist yet."""
    archive = settings_for().archive
    session = sessions.connect(archive)
    yield SimpleNamespace(name=namespace, archive=archive, session=session)
    session.execute(f"DROP KEYSPACE IF EXISTS {namespace}", timeout=60)
    sessions.close(session)


def apply(keyspace, **values):
    said = []
    archive = keyspace.archive.model_copy(update=values)
    schema.apply(keyspace.session, keyspace.name, archive, said.append)
    return said


def options(keyspace, table):
    query = (
        "SELECT * FROM system_schema.tables WHERE keyspace_name=%s AND table_name=%s"
    )
    return keyspace.session.execute(query, (keyspace.name, table)).one()


MODELS = ("models", "model_parts")


def test_applied_schema_passes_the_check_and_applies_once(keyspace):
    first = apply(keyspace)
    schema.check(keyspace.session, keyspace.name)

    versions = [line for line in first if "schema version" in line]
    assert schema.VERSION == len(versions)
    assert first[0].startswith(f"keyspace {keyspace.name}: created")
    rest = [line for line in first[1:] if line not in versions]
    expected = [f"table {keyspace.name}.{t}: new rows stay 90 days" for t in MODELS]
    assert sorted(expected) == sorted(rest)
    assert [] == apply(keyspace)


def test_time_series_are_compacted_by_time(keyspace):
    apply(keyspace)
    for table in set(TABLES) - {AVERAGES, VOLTAGE_ALERTS}:
        compaction = options(keyspace, table.name).compaction
        assert "TimeWindowCompactionStrategy" in compaction["class"]


def test_many_processes_may_apply_at_once(keyspace):
    def one(_):
        session = sessions.connect(keyspace.archive)
        try:
            said = []
            schema.apply(session, keyspace.name, keyspace.archive, said.append)
            schema.check(session, keyspace.name)
            return said
        finally:
            sessions.close(session)

    with ThreadPoolExecutor(6) as pool:
        said = list(pool.map(one, range(6)))

    applied = [line for lines in said for line in lines if "version" in line]
    assert schema.VERSION == len(applied)
    schema.check(keyspace.session, keyspace.name)


def test_missing_keyspace_is_named_with_the_remedy(keyspace):
    with pytest.raises(SchemaMismatch) as caught:
        schema.check(keyspace.session, keyspace.name)
    expected = f"keyspace {keyspace.name} does not exist: run `smartmeter schema apply`"
    assert expected == str(caught.value)


def test_newer_schema_is_left_alone(keyspace):
    apply(keyspace)
    keyspace.session.execute(
        f"INSERT INTO {keyspace.name}.schema_version (part, version) VALUES ('all', 99)"
    )
    with pytest.raises(SchemaMismatch, match="version 99, newer than this build's"):
        schema.check(keyspace.session, keyspace.name)
    with pytest.raises(SchemaMismatch, match="version 99, newer than this build's"):
        apply(keyspace)


def test_older_schema_is_named_with_the_remedy(keyspace):
    apply(keyspace)
    keyspace.session.execute(f"TRUNCATE {keyspace.name}.schema_version", timeout=60)
    with pytest.raises(SchemaMismatch, match="version 0, this build needs"):
        schema.check(keyspace.session, keyspace.name)
    apply(keyspace)  # what is there already is left as it is
    schema.check(keyspace.session, keyspace.name)


def test_altered_table_is_found(keyspace):
    apply(keyspace)
    table = f"{keyspace.name}.max_voltage"
    keyspace.session.execute(f"ALTER TABLE {table} DROP voltage", timeout=60)
    with pytest.raises(SchemaMismatch, match="column voltage is missing, not float"):
        schema.check(keyspace.session, keyspace.name)


def test_time_to_live_and_replication_follow_the_settings(keyspace):
    apply(keyspace, ttl_days_raw=30)
    assert 30 * 86_400 == options(keyspace, "raw_data").default_time_to_live
    assert 0 == options(keyspace, "windows").default_time_to_live

    said = apply(
        keyspace,
        ttl_days_raw=0,
        ttl_days_results=365,
        replication="{'class': 'NetworkTopologyStrategy', 'datacenter1': 1}",
    )

    assert 0 == options(keyspace, "raw_data").default_time_to_live
    assert 365 * 86_400 == options(keyspace, "windows").default_time_to_live
    assert any("nodetool repair" in line for line in said)
    row = keyspace.session.execute(
        "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = %s",
        (keyspace.name,),
    ).one()
    assert "1" == row.replication["datacenter1"]


@pytest.mark.parametrize("replication", ["three", "{'class': SimpleStrategy}", "[1]"])
def test_replication_that_is_no_map_is_a_wrong_setting(keyspace, replication):
    with pytest.raises(SettingsError, match="SMARTMETER_ARCHIVE__REPLICATION: "):
        apply(keyspace, replication=replication)
