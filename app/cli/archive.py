"""`smartmeter archive`."""

import click

from app.errors import SinkUnavailable
from app.settings import Settings
from app.topology import Topology

__all__ = ["command"]


@click.command(short_help="Run an archive worker: everything into Cassandra.")
def command() -> None:
    r"""Run an archive worker until Ctrl-C or SIGTERM.

    It stores readings, windows, maxima, weather and predictions. While Cassandra is
    away it waits, and nothing is lost. /live, /ready and /metrics are on
    SMARTMETER_ARCHIVE__WEB_HOST and …_WEB_PORT.

    \b
    Example:
      SMARTMETER_ARCHIVE__CONTACT_POINTS=node1,node2 smartmeter archive
    """
    from app.archive import app
    from app.worker import run

    _preflight(app.smartmeter)
    run(app)


def _preflight(values: Settings) -> None:
    """End in one line what no waiting would mend: a wrong password, no keyspace."""
    from app.sinks import schema, session

    try:
        connected = session.connect(values.archive)
    except SinkUnavailable:
        return  # The worker says so, and waits.
    try:
        schema.check(connected, Topology(values).keyspace)
    finally:
        session.close(connected)
