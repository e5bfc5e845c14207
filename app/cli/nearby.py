"""The run on this machine (`make run`): who looks at it asks by its folder."""

from pathlib import Path
from typing import Any

import click

from app.errors import SmartMeterError

__all__ = ["FOLDER", "NotDone", "ask", "option"]

FOLDER = Path(".run")

option = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=FOLDER,
    show_default=True,
    help="The run's folder.",
)


class NotDone(SmartMeterError):
    """The run cannot do what was asked, or there is none; the message says why."""


def ask(folder: Path, do: str, *, seconds_max: float, **more: Any) -> Any:
    """Ask the run of a folder; return what it did.

    Raises:
        NotDone: There is none, or it cannot.
    """
    try:
        from deploy.local import control
        from deploy.local.errors import LauncherError
    except ModuleNotFoundError:  # an installation without the repository
        raise NotDone(
            "this is for a run started in a clone by `make run`: containers are listed,"
            " scaled and stopped by Docker or Kubernetes"
        ) from None
    try:
        return control.ask(folder, do, seconds_max=seconds_max, **more)
    except LauncherError as error:
        raise NotDone(str(error)) from None
