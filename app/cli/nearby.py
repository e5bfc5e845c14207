"""The option by which a command finds the run on this machine (`make run`)."""

from pathlib import Path

import click

__all__ = ["FOLDER", "option"]

FOLDER = Path(".run")

option = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=FOLDER,
    show_default=True,
    help="The run's folder.",
)
