"""`smartmeter batch averages | verify`."""

from typing import TYPE_CHECKING

import click
import orjson

from app import settings
from app.cli.selection import selection_options
from app.cli.tables import progress_bar, show, show_rows

if TYPE_CHECKING:
    from app.sinks.base import Rows
    from app.sinks.selection import Selection

__all__ = ["command"]

SAMPLE_ROWS = 10
EXAMPLES_MAX = 20


@click.group(short_help="Work over all that is stored: averages, verify.")
def command() -> None:
    r"""Work over all that is stored in Cassandra.

    \b
    Example:
      smartmeter batch averages --from 2026-11-01 --to 2026-11-30
    """


as_json = click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")


@command.command()
@selection_options
@as_json
def averages(selection: "Selection", as_json: bool) -> None:
    r"""Average the voltage by line, transformer and day.

    Reads raw_data, shows ten of its rows and ten averages, and upserts
    avg_voltage_by_transformer; nothing is removed from it.

    \b
    Example:
      smartmeter batch averages --line 11
    """
    from app.batch.averages import sample, write_averages
    from app.sinks.tables import AVERAGES, RAW_DATA

    values = settings.load()
    if not as_json:
        rows = sample(values, selection, SAMPLE_ROWS)
        show_rows(rows, RAW_DATA.name, SAMPLE_ROWS)
    written: list[Rows] = []
    with progress_bar("Averages") as progress:
        count = write_averages(values, selection, progress, written.append)
    if as_json:
        click.echo(orjson.dumps({"averages": count}))
        return
    for some in written[:1]:
        show_rows(some, AVERAGES.name, SAMPLE_ROWS)
    click.echo(f"{count} averages are stored.")


@command.command()
@selection_options
@as_json
def verify(selection: "Selection", as_json: bool) -> None:
    r"""Recompute windows and maxima from the raw rows, and compare them.

    Ends with 1 if anything differs.

    \b
    Example:
      smartmeter batch verify --from 2026-11-23
    """
    from dataclasses import asdict
    from datetime import UTC, datetime

    from app.batch.verify import verify as compare

    with progress_bar("Verifying") as progress:
        found = compare(settings.load(), selection, progress)
    if as_json:
        examples = [each._asdict() for each in found.examples[:EXAMPLES_MAX]]
        click.echo(orjson.dumps({**asdict(found), "examples": examples}))
        raise click.exceptions.Exit(bool(found.differences))
    click.echo(
        f"{found.readings} readings in {found.windows} windows and {found.maxima} "
        f"maxima compared; {found.readings_late} were late, "
        f"{found.windows_open} windows are not closed yet."
    )
    if not found.differences:
        click.echo("No difference.")
        return
    rows = [
        (datetime.fromtimestamp(each.start, UTC).isoformat(), *each)
        for each in found.examples[:EXAMPLES_MAX]
    ]
    names = ("window", "line", "transformer", "start", "column", "stored", "recomputed")
    show(names, rows, f"{found.differences} differences")
    raise click.exceptions.Exit(1)
