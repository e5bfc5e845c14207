"""`python -m deploy.privileges nats | kafka | cassandra | markdown`."""

import click

from app import settings
from app.topology import Topology
from deploy.privileges.text import TEXTS


@click.command()
@click.argument("server", type=click.Choice(list(TEXTS)))
def main(server: str) -> None:
    """Print what each account may do, as a server or its tools take it.

    Example:
        python -m deploy.privileges cassandra | cqlsh -u admin
    """
    click.echo(TEXTS[server](Topology(settings.load())))


if __name__ == "__main__":
    main(prog_name="python -m deploy.privileges")
