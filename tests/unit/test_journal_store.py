"""Where the group goes on when several states read one topic."""

from types import SimpleNamespace

from app.topology import Topic
from tables.store import JournalStore

WINDOWS, WEATHER = (
    Topic(name=name, partitions=2, retention_seconds=1.0)
    for name in ("windows", "weather")
)


class Empty:
    """A state of nothing."""

    def snapshot_bodies(self):
        return [{}]


def store_of(app, name, *sources):
    table = SimpleNamespace(name=name, sources=sources, new_state=Empty)
    table.data = JournalStore("journal://", app, table, table_name=name)
    app.tables[name] = table
    return table.data


def test_the_state_that_is_furthest_behind_decides_where_a_topic_goes_on():
    app = SimpleNamespace(tables={}, owner="me")
    models = store_of(app, "models", WINDOWS, WEATHER)
    alerts = store_of(app, "alerts", WINDOWS)
    app.tables["stock"] = SimpleNamespace(name="a table of Faust's own")
    models.journal(0).delta({}, {"windows": 100, "weather": 7})
    alerts.journal(0).delta({}, {"windows": 90})
    for store in (models, alerts):
        assert 91 == store._first_needed(WINDOWS, 0)
    assert 8 == models._first_needed(WEATHER, 0)


def test_a_state_that_has_read_nothing_reads_all():
    app = SimpleNamespace(tables={}, owner="me")
    models = store_of(app, "models", WINDOWS)
    store_of(app, "alerts", WINDOWS)
    models.journal(1).delta({}, {"windows": 100})
    assert 0 == models._first_needed(WINDOWS, 1)
