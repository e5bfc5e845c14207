"""The options --from, --to, --line and --transformer, which several commands share."""

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

import click

__all__ = ["selection_options"]

DAY = click.DateTime(["%Y-%m-%d"])


def selection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options; it gets them as `selection`."""

    @click.option("--from", "first", type=DAY, help="First day, UTC.")
    @click.option("--to", "last", type=DAY, help="Last day, UTC, included.")
    @click.option("--line", type=click.IntRange(1, 2**31 - 1), help="One line alone.")
    @click.option(
        "--transformer", type=click.IntRange(1, 2**31 - 1), help="One transformer."
    )
    @wraps(command)
    def with_selection(
        *args: Any,
        first: datetime | None,
        last: datetime | None,
        line: int | None,
        transformer: int | None,
        **options: Any,
    ) -> Any:
        from app.sinks.selection import Selection

        if first and last and first > last:
            raise click.BadParameter(
                f"{first:%Y-%m-%d} is after {last:%Y-%m-%d}", param_hint="--from, --to"
            )
        selection = Selection(
            first=first.date() if first else None,
            last=last.date() if last else None,
            line=line,
            transformer=transformer,
        )
        return command(*args, selection=selection, **options)

    return with_selection
