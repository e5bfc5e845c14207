"""`smartmeter ps`."""

from pathlib import Path

import click
import orjson

from app.cli import nearby

__all__ = ["command"]

ANSWER_SECONDS_MAX = 5.0


@click.command()
@nearby.option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a row.")
def command(*, folder: Path, as_json: bool) -> None:
    r"""Show the processes of the run on this machine (`make run`).

    States are running, starting, and ended with the seconds until the next start.

    \b
    Example:
      smartmeter ps
      smartmeter ps --json | jq -r 'select(.name == "worker-2").pid'
    """
    found = nearby.ask(folder, "ps", seconds_max=ANSWER_SECONDS_MAX)
    if as_json:
        for row in found:
            click.echo(orjson.dumps(row))
        return
    from rich.console import Console

    from deploy.local import status

    status.show(found, Console())
