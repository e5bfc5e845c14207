"""`smartmeter stop`."""

import time
from contextlib import suppress
from pathlib import Path

import click
import orjson

from app import control
from app.cli import nearby

__all__ = ["command"]

ANSWER_SECONDS_MAX = 5.0
STOP_SECONDS_MAX = 300.0
LOOK_SECONDS = 0.2


@click.command()
@nearby.option
@click.option(
    "--wait/--no-wait", default=True, show_default=True, help="Return when it is over."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(*, folder: Path, wait: bool, as_json: bool) -> None:
    r"""Stop the run on this machine (`make run`), as Ctrl-C in its terminal does.

    The meters stop, all that they published arrives, the run's terminal shows the
    summary, and what it started ends. Data and logs stay.

    \b
    Example:
      smartmeter stop
    """
    pid = control.ask(folder, "stop", seconds_max=ANSWER_SECONDS_MAX)
    if wait:
        _wait_until_ended(folder, pid)
    if as_json:
        click.echo(orjson.dumps({"pid": pid, "stopped": wait}))
    elif wait:
        click.echo("stopped; the summary is in the run's terminal")
    else:
        click.echo("stopping")


def _wait_until_ended(folder: Path, pid: int) -> None:
    import psutil

    deadline = time.monotonic() + STOP_SECONDS_MAX
    with suppress(psutil.NoSuchProcess):
        run = psutil.Process(pid)
        # One that has ended stays as a zombie until its parent looks.
        while run.is_running() and run.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > deadline:
                raise control.NotDone(
                    f"the run in {folder} still stops after {STOP_SECONDS_MAX:.0f} s:"
                    " see its terminal"
                )
            time.sleep(LOOK_SECONDS)
