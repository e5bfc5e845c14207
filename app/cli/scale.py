"""`smartmeter scale`."""

import re
from collections.abc import Mapping
from pathlib import Path

import click
import orjson

from app import control
from app.cli import nearby

__all__ = ["command"]

START_SECONDS_MAX = 200.0  # the launcher itself gives up earlier
STAGES = {"bridge": "bridge", "worker": "worker", "live": "worker"}
STAGES |= {"archive": "archive", "simulator": "simulator"}
WISH = re.compile(r"([a-z]+)=(\d{1,4})")


class Wish(click.ParamType):
    """`worker=2`, as a stage and a number."""

    name = "wish"

    def convert(
        self,
        value: str | tuple[str, int],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, int]:
        """Return what a text wishes.

        >>> Wish().convert("live=2", None, None)
        ('worker', 2)
        """
        if isinstance(value, tuple):
            return value
        match = WISH.fullmatch(value)
        if not match or match[1] not in STAGES:
            stages = ", ".join(STAGES)
            self.fail(f"{value!r} is not STAGE=NUMBER, of {stages}", param, ctx)
        return STAGES[match[1]], int(match[2])


@click.command()
@click.argument("wishes", type=Wish(), nargs=-1, required=True, metavar="STAGE=NUMBER…")
@nearby.option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a stage.")
def command(
    *, wishes: tuple[tuple[str, int], ...], folder: Path, as_json: bool
) -> None:
    r"""Have more or fewer processes of a stage, while everything runs (`make run`).

    Bridges and live workers share the lanes, so that there are as many as lanes at
    most. Returns when the new ones are ready; those taken away finish what they have.

    \b
    Example:
      smartmeter scale worker=2
      smartmeter scale bridge=2 archive=2
    """
    for stage, count in dict(wishes).items():
        done: list[str] = control.ask(
            folder, "scale", seconds_max=START_SECONDS_MAX, stage=stage, count=count
        )
        if as_json:
            click.echo(orjson.dumps(_fields(stage, count, done)))
        else:
            click.echo("\n".join(done) or f"{stage}: {count} already")


def _fields(stage: str, count: int, done: list[str]) -> Mapping[str, object]:
    return {"stage": stage, "count": count, "done": done}
