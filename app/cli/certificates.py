"""`smartmeter certificates`."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

__all__ = ["command"]

NAME = r"[\w.-]{1,64}"
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


@click.command(short_help="Make a private CA with server and client certificates.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--host",
    "hosts",
    multiple=True,
    default=("localhost", "127.0.0.1"),
    show_default=True,
    help="Name or address of the servers; may be given several times.",
)
@click.option(
    "--client",
    "clients",
    multiple=True,
    default=("smartmeter",),
    show_default=True,
    help="Name of a client that shows a certificate; may be given several times.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 3_650),
    default=365,
    show_default=True,
    help="How long certificates are valid; the authority lives ten years.",
)
@click.option("--renew", is_flag=True, help="Issue again by the folder's authority.")
def command(
    folder: Path, hosts: Sequence[str], clients: Sequence[str], days: int, renew: bool
) -> None:
    r"""Make a private certificate authority, and certificates by it, in a folder.

    For tests and demos: where you have an authority already, let it issue them. Nothing
    is overwritten, except by --renew, which keeps the authority, so that no client has
    to be told. Files that hold a key can be read by their owner alone.

    \b
    Example:
      smartmeter certificates ./certificates --host kafka-1 --host nats-1
      smartmeter certificates ./certificates --host kafka-1 --host nats-1 --renew
    """
    from app.certificates import issue

    for name in clients:
        if not re.fullmatch(NAME, name):
            raise click.BadParameter(
                f"{name!r} is no name of a file", param_hint="--client"
            )
    now = datetime.now(UTC)
    life = timedelta(days=days)
    issue(folder, hosts=hosts, clients=clients, life=life, renew=renew, now=now)
    path = folder.absolute()
    text = NEXT.format(
        folder=path,
        until=now + life,
        hosts=", ".join(hosts),
        ca=path / "ca.crt",
        server=path / "server.pem",
        client=path / f"client-{clients[0]}.pem",
    )
    click.echo(text)
