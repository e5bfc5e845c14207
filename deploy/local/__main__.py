"""`python -m deploy.local`: real servers on this machine, and the system on them."""

import json
import logging
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import click

from app.cli.ps import lines
from app.errors import SettingsError, system_words
from deploy.local import cluster as nodes
from deploy.local import status as status_page
from deploy.local.errors import LauncherError
from deploy.local.process import ROOT
from deploy.local.secured_stack import open_stack
from deploy.local.stack import Stack

FOLDER = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=ROOT / ".run",
    help="Where data, logs and state lie (default: .run beside the code).",
)

SECURE = click.option(
    "--secure",
    is_flag=True,
    help="Encrypt everything, and give each process an account that may little. A"
    " folder stays what it was at first.",
)

CLUSTER = click.option(
    "--cluster",
    is_flag=True,
    help="Three NATS, three Kafka, two Cassandra, in a folder of their own.",
)


def say(line: str) -> None:
    """Tell the person at the terminal; results alone go to standard output."""
    click.echo(line, err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Start and stop real NATS, Kafka and Cassandra on this machine."""


@cli.command()
@FOLDER
@SECURE
@CLUSTER
def up(folder: Path, secure: bool, cluster: bool) -> None:
    """Start the servers that do not run, and print their addresses as JSON.

    Example:
        python -m deploy.local up | jq -r .kafka
    """
    stack = _opened(folder, secure=secure, cluster=cluster)
    stack.start()
    stack.release()
    click.echo(json.dumps(stack.addresses))


@cli.command()
@FOLDER
@CLUSTER
def down(folder: Path, cluster: bool) -> None:
    """Stop the servers that `up` started; their data stay.

    Example:
        python -m deploy.local down
    """
    stack = _opened(folder, cluster=cluster)
    with stack.ledger.held("run"), stack.ledger.held():
        if not stack.stop(*stack.servers):
            say("nothing runs")


@cli.command()
@FOLDER
@CLUSTER
def status(folder: Path, cluster: bool) -> None:
    """Show what runs, and where; of a run, also how often it was started again.

    Example:
        python -m deploy.local status
    """
    for line in lines(status_page.look(_opened(folder, cluster=cluster))):
        click.echo(line)


@cli.command()
@FOLDER
@CLUSTER
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    help="Stop after so many seconds of readings; otherwise with Ctrl-C.",
)
@click.option(
    "--rate",
    type=click.IntRange(1),
    default=500,
    show_default=True,
    help="Readings per second.",
)
@click.option(
    "--workers", type=click.IntRange(1), default=1, show_default=True, help="Live ones."
)
@click.option("--fresh", is_flag=True, help="Remove all data of the folder first.")
@SECURE
@click.option(
    "--source",
    type=click.Choice(["generated", "household"]),
    default="generated",
    show_default=True,
    help="Where voltages come from: formulas, or a household's measured minutes.",
)
def run(folder: Path, secure: bool, cluster: bool, **options: Any) -> None:
    """Run everything, meters included, and print a summary as JSON at the end.

    Servers that run already (`up`) are used, and left running. Ctrl-C ends the
    readings, waits until all are accounted for, and stops what was started; a second
    Ctrl-C does not wait. A bridge or worker that ends by itself is started again.
    `smartmeter ps`, `scale` and `stop` do their work from another terminal.

    Example:
        python -m deploy.local run --for 60 --fresh | tail -1 | jq
    """
    from deploy.local import run as whole

    stack = _opened(folder, secure=secure, cluster=cluster)
    whole.run(stack, whole.Options(**options), say)


def _opened(folder: Path, *, cluster: bool, secure: bool = False) -> Stack:
    if not cluster:
        return open_stack(folder, say, secure=secure)
    own = folder.with_name(f"{folder.name}-cluster")
    return nodes.opened(own, nodes.Nodes(), report=say, secure=secure)


def interrupt(number: int, frame: FrameType | None) -> None:
    """Treat a request to end like Ctrl-C, so that everything is stopped."""
    del number, frame
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    # Clients that knock before a server opens complain in their logs; we say it.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        cli(prog_name="python -m deploy.local", standalone_mode=False)
    except SettingsError as error:
        say(f"deploy.local: {error}")
        sys.exit(error.exit_code)
    except LauncherError as error:
        say(f"deploy.local: {error}")
        sys.exit(1)
    except OSError as error:  # the disk, or a permission
        say(f"deploy.local: {system_words(error)}")
        sys.exit(1)
    except click.exceptions.Abort:
        say("interrupted")
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
