"""`smartmeter bridge`."""

import click

from app import settings as _settings

__all__ = ["command"]


@click.command(short_help="Run the bridge between NATS and Kafka.")
def command() -> None:
    r"""Run the bridge: readings and weather into Kafka, results back to NATS.

    SIGTERM drains what was taken and exits within 10 s; SIGKILL loses nothing either.

    \b
    Example:
      SMARTMETER_NATS__SERVERS=nats://meters:4222 smartmeter bridge
    """
    from bridge import service

    service.run(_settings.load())
