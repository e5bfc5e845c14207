"""`smartmeter exporter`."""

import click

from app import settings as _settings

__all__ = ["command"]


@click.command(short_help="Export figures of NATS, Kafka and Cassandra.")
def command() -> None:
    r"""Export the figures of NATS, Kafka and Cassandra to Prometheus, until stopped.

    NATS is asked on its monitoring port, Kafka and Cassandra as any client asks them.
    One exporter is enough. The series of a server that is away are gone, and
    smartmeter_exporter_up{source="…"} is 0.

    \b
    Example:
      SMARTMETER_EXPORTER__NATS_MONITORS=http://meters:8222 smartmeter exporter
    """
    from app.exporter import service

    service.run(_settings.load())
