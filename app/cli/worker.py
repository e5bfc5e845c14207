"""`smartmeter worker`."""

import click

__all__ = ["command"]


@click.command(short_help="Run a live worker: windows, fleet maxima, forecast, web.")
def command() -> None:
    r"""Run a live worker: windows, fleet maxima, forecast, web view.

    Workers share the lanes: start as many as there are lanes, each with a port of its
    own. `faust -A app worker` does the same, with Faust's options.

    \b
    Example:
      SMARTMETER_WORKER__PORT=6067 smartmeter worker
    """
    from app import worker

    worker.run(worker.app)
