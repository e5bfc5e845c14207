"""`smartmeter schema`."""

from functools import partial

import click
import orjson

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


as_json = click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")


@command.command()
@as_json
def apply(as_json: bool) -> None:
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
        say = partial(click.echo, err=as_json)  # the object stands alone
        schema.apply(connected, keyspace, values.archive, say)
        schema.check(connected, keyspace)
    finally:
        session.close(connected)
    _tell(keyspace, schema.VERSION, as_json)


@command.command()
@as_json
def check(as_json: bool) -> None:
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
    _tell(keyspace, schema.VERSION, as_json)


def _tell(keyspace: str, version: int, as_json: bool) -> None:
    if as_json:
        click.echo(orjson.dumps({"keyspace": keyspace, "version": version}))
    else:
        click.echo(f"keyspace {keyspace}: schema version {version}, as it must be")
