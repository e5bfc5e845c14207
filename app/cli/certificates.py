"""`smartmeter certificates`."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from app.certificates import Wanted

__all__ = ["command"]

NAME = r"[\w.-]{1,64}"
DEFAULT_HOSTS = ("localhost", "127.0.0.1")
NEXT = """\
{folder}: certificates until {until:%Y-%m-%d} for {hosts}.
Next:
  servers   server.crt and server.key (nats-server), server.pem (Kafka, Cassandra)
  clients   SMARTMETER_NATS__CA_FILE={ca}
            SMARTMETER_KAFKA__CA_FILE={ca}
            SMARTMETER_ARCHIVE__CA_FILE={ca}
            SMARTMETER_WEB__CA_FILE={ca}
  our pages SMARTMETER_WEB__CERTIFICATE_FILE={server}
  where servers ask for one too: SMARTMETER_KAFKA__CERTIFICATE_FILE={client}
  Move ca.key away from the servers; `--renew` needs it before {until:%Y-%m-%d}."""


class Server(click.ParamType):
    """NAME=HOST,HOST…: a server, and under which names clients reach it."""

    name = "server"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, list[str]]:
        """Return the name and the hosts.

        >>> Server().convert("nats=nats-1,nats-2", None, None)
        ('nats', ['nats-1', 'nats-2'])
        """
        name, _, hosts = str(value).partition("=")
        if not re.fullmatch(NAME, name) or not all(hosts.split(",")):
            self.fail(f"{value!r} is not NAME=HOST,HOST…", param, ctx)
        return name, hosts.split(",")


def _file_names(
    ctx: click.Context, param: click.Parameter, names: Sequence[str]
) -> Sequence[str]:
    for name in names:
        if not re.fullmatch(NAME, name):
            raise click.BadParameter(f"{name!r} is no name of a file", ctx, param)
    return names


@click.command(short_help="Make a private CA with server and client certificates.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--host",
    "hosts",
    multiple=True,
    help="Name or address of the servers; may be given several times.  [default:"
    " localhost, 127.0.0.1]",
)
@click.option(
    "--server",
    "servers",
    multiple=True,
    metavar="NAME=HOST,HOST…",
    type=Server(),
    help="A server with a certificate of its own, in a folder NAME that holds all that"
    " it needs; may be given several times.",
)
@click.option(
    "--client",
    "clients",
    multiple=True,
    default=("smartmeter",),
    show_default=True,
    callback=_file_names,
    help="Name of a client that shows a certificate; may be given several times.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 3_650),
    default=365,
    show_default=True,
    help="How long certificates are valid; the authority lives ten years.",
)
@click.option(
    "--authority",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the authority's key, apart from what it issues.  [default: FOLDER]",
)
@click.option("--renew", is_flag=True, help="Issue again by the folder's authority.")
@click.option(
    "--ensure",
    is_flag=True,
    help="Issue what is missing, or has less than a third of its days left; else"
    " nothing.",
)
@click.option(
    "--group-readable",
    "group_reads",
    is_flag=True,
    help="Let the group read keys too, but not the authority's.",
)
def command(
    *,
    folder: Path,
    hosts: Sequence[str],
    servers: Sequence[tuple[str, list[str]]],
    clients: Sequence[str],
    days: int,
    renew: bool,
    ensure: bool,
    **more: Any,
) -> None:
    r"""Make a private certificate authority, and certificates by it, in a folder.

    For tests and demos: where you have an authority already, let it issue them. Nothing
    is overwritten, except by --renew, which keeps the authority, so that no client has
    to be told. Files that hold a key can be read by their owner alone.

    \b
    Example:
      smartmeter certificates ./certificates --host kafka-1 --host nats-1
      smartmeter certificates ./certificates --host kafka-1 --host nats-1 --renew
      smartmeter certificates /tls --authority /ca --server nats=nats-1,nats-2 --ensure
    """
    from app.certificates import Wanted, issue
    from app.certificates import ensure as ensured

    if renew and ensure:
        raise click.UsageError("--ensure renews by itself: leave out --renew")
    wanted = Wanted(
        folder=folder,
        hosts=hosts or (() if servers else DEFAULT_HOSTS),
        servers=dict(servers),
        clients=clients,
        life=timedelta(days=days),
        **more,
    )
    now = datetime.now(UTC)
    if ensured(wanted, now=now) if ensure else issue(wanted, renew=renew, now=now):
        click.echo(_next(wanted, now))
    else:
        click.echo(f"{folder.absolute()}: all certificates last for a while.")


def _next(wanted: "Wanted", now: datetime) -> str:
    """Return what was made, and what to do with it."""
    path = wanted.folder.absolute()
    until = now + wanted.life
    if not wanted.hosts:
        names = ", ".join(f"{n} ({', '.join(h)})" for n, h in wanted.servers.items())
        return f"{path}: certificates until {until:%Y-%m-%d} for {names}."
    return NEXT.format(
        folder=path,
        until=until,
        hosts=", ".join(wanted.hosts),
        ca=path / "ca.crt",
        server=path / "server.pem",
        client=path / f"client-{(*wanted.clients, 'NAME')[0]}.pem",
    )
