"""`smartmeter schema`."""

import click

from app import settings
from app.topology import Topology

__all__ = ["command"]


@click.group(
    invoke_without_command=True,
    short_help="Create and check the Cassandra tables.",
)
@click.pass_context
def command(context: click.Context) -> None:
    r"""Create and check the tables in Cassandra; without a subcommand, apply.

    \b
    Example:
      smartmeter schema
      smartmeter schema check
    """
    if context.invoked_subcommand is None:
        context.invoke(apply)


@command.command()
def apply() -> None:
    r"""Bring the keyspace to this build's version, replication and times to live.

    Versions are applied forward only, and several processes may apply at once.

    \b
    Example:
      SMARTMETER_ARCHIVE__TTL_DAYS_RAW=400 smartmeter schema apply
    """
    from app.sinks import schema, session

    values = settings.load()
    keyspace = Topology(values).keyspace
    connected = session.connect(values.archive)
    try:
        schema.apply(connected, keyspace, values.archive, click.echo)
        schema.check(connected, keyspace)
    finally:
        session.close(connected)
    click.echo(f"keyspace {keyspace}: schema version {schema.VERSION}, as it must be")


@command.command()
def check() -> None:
    r"""Make sure that the keyspace is as this build needs it; change nothing.

    \b
    Example:
      smartmeter schema check && smartmeter archive
    """
    from app.sinks import schema, session

    values = settings.load()
    keyspace = Topology(values).keyspace
    connected = session.connect(values.archive)
    try:
        schema.check(connected, keyspace)
    finally:
        session.close(connected)
    click.echo(f"keyspace {keyspace}: schema version {schema.VERSION}, as it must be")
