"""Rows as a table for a person, and a bar for what takes long."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.sinks.base import Rows

__all__ = ["progress_bar", "show", "show_rows"]


def show(names: Sequence[str], rows: Iterable[Sequence[Any]], title: str) -> None:
    """Print rows as a table: numbers to the right, an absent value empty.

    It is as wide as it must be, as a database's shell has it: nothing is cut.
    """
    from rich import box
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table

    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    shown = [[_shown(value) for value in row] for row in rows]
    for place, name in enumerate(names):
        numbers = all(_is_number(row[place]) for row in shown)
        table.add_column(name, justify="right" if numbers else "left", no_wrap=True)
    for row in shown:
        table.add_row(*row)
    console = Console()
    endless = console.options.update(max_width=10_000)
    needed = Measurement.get(console, endless, table).maximum
    console.width = max(console.width, needed)
    console.print(table)


def show_rows(rows: "Rows", title: str, most: int) -> None:
    """Print the first rows of columns as a table."""
    columns = (column[:most].tolist() for column in rows.values())
    show(list(rows), zip(*columns, strict=True), title)


def _shown(value: Any) -> str:
    if value is None or value != value:  # noqa: PLR0124 - not a number equals nothing
        return ""
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def _is_number(text: str) -> bool:
    return (
        text.replace(".", "").replace("-", "").replace("e", "").isdecimal() or not text
    )


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[float], None]]:
    """Show a bar on standard error while the block runs; on a terminal only."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    hidden = not sys.stderr.isatty()
    with Progress(console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda done: bar.update(task, completed=done)
