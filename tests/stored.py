"""A keyspace with rows in it, for the tests of whatever reads them back."""

import asyncio
from contextlib import contextmanager

import numpy as np

from app.domain.readings import EXTRA_COLUMNS, Readings
from app.sinks import rows as sink_rows
from app.sinks import schema
from app.sinks import session as sessions
from app.sinks.cassandra import CassandraSink
from app.sinks.tables import LATE_READINGS, MAX_VOLTAGE, RAW_DATA, WINDOWS
from app.topology import Topology

__all__ = ["Stored", "stored"]


class Stored:
    """A keyspace of the test's own, and writing to it."""

    def __init__(self, settings):
        self.settings = settings
        self.keyspace = Topology(settings).keyspace
        self.session = sessions.connect(settings.archive)

    def write(self, table, rows):
        asyncio.run(self._write(table, rows))

    async def _write(self, table, rows):
        sink = CassandraSink(self.settings.archive, self.keyspace)
        await sink.start()
        assert [] == list(await sink.write(table, rows))
        await sink.stop()

    def write_readings(self, rows):
        """Write dictionaries as made_up_rows has them."""
        self.write(RAW_DATA, sink_rows.raw_rows(readings_of(rows)))

    def write_late(self, rows):
        event = {
            "sequence": [0] * len(rows),
            "late_by": [1] * len(rows),
            **{
                name: [row[name] for row in rows]
                for name in (
                    "line",
                    "transformer",
                    "usagepoint",
                    "timestamp",
                    "voltage",
                )
            },
        }
        self.write(LATE_READINGS, sink_rows.late_rows(event))

    def write_windows(self, oracle):
        """Write an oracle's windows and its maxima."""
        windows = sorted(oracle.windows.items())
        event = {
            "start": [key[0] for key, _ in windows],
            "line": [key[1] for key, _ in windows],
            "transformer": [key[2] for key, _ in windows],
            "verdict": ["normal"] * len(windows),
        }
        for name in ("count", "minimum", "maximum", "mean", "usagepoint", "over"):
            event[name] = [getattr(window, name) for _, window in windows]
        self.write(WINDOWS, sink_rows.window_rows(event))
        maxima = oracle.fleet_maxima()
        epochs = np.array(list(maxima), np.int64)
        volts = np.array(list(maxima.values()), np.float32)
        self.write(MAX_VOLTAGE, {"epoch": epochs, "voltage": volts})

    def execute(self, query):
        """Run a statement in which $ is the keyspace."""
        return self.session.execute(query.replace("$", self.keyspace), timeout=60)


def readings_of(rows):
    def column(name, dtype):
        values = [np.nan if row[name] is None else row[name] for row in rows]
        return np.array(values, dtype)

    return Readings(
        sequence=np.arange(len(rows)),
        timestamp=column("timestamp", np.int64),
        line=column("line", np.int32),
        transformer=column("transformer", np.int32),
        usagepoint=column("usagepoint", np.int32),
        voltage=column("voltage", np.float32),
        extra={name: column(name, np.float32) for name in EXTRA_COLUMNS},
    )


@contextmanager
def stored(settings):
    """Give a keyspace with this build's schema; drop it in the end."""
    keyspace = Stored(settings)
    schema.apply(keyspace.session, keyspace.keyspace, settings.archive, lambda _: None)
    try:
        yield keyspace
    finally:
        keyspace.execute("DROP KEYSPACE IF EXISTS $")
        sessions.close(keyspace.session)
