"""`smartmeter ps`."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import orjson

from app import control
from app.cli import nearby

__all__ = ["command", "lines"]

ANSWER_SECONDS_MAX = 5.0


@click.command()
@nearby.option
@click.option(
    "--environ", is_flag=True, help="Print the settings that lead to its servers."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a row.")
def command(*, folder: Path, environ: bool, as_json: bool) -> None:
    r"""Show the processes of the run on this machine (`make run`).

    States are running, starting, and ended with the seconds until the next start. The
    settings of --environ are those of a run on other ports than the usual ones, or on
    servers that ask who comes; secrets are named by their files.

    \b
    Example:
      smartmeter ps
      smartmeter ps --json | jq -r 'select(.name == "worker-2").pid'
      eval "$(smartmeter ps --environ)" && smartmeter doctor
    """
    if environ:
        told = control.ask(folder, "environ", seconds_max=ANSWER_SECONDS_MAX)
        for name, value in told.items():
            click.echo(f"export {name}={shlex.quote(value)}")
        return
    found = control.ask(folder, "ps", seconds_max=ANSWER_SECONDS_MAX)
    if as_json:
        for row in found:
            click.echo(orjson.dumps(row))
        return
    for line in lines(found):
        click.echo(line)


def lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a heading, and a line for each row that the launcher told."""
    table = [("name", "state", "pid", "up for", "restarts", "address")]
    for row in rows:
        since = row["up_seconds"]
        up_for = "" if since is None else str(timedelta(seconds=int(since)))
        told = (row["pid"] or "", up_for, row["restarts"] or "", row["address"])
        table.append((row["name"], row["state"], *map(str, told)))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        cells = zip(line, widths, strict=True)
        yield "  ".join(f"{cell:<{width}}" for cell, width in cells).rstrip()
