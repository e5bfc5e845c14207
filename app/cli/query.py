"""`smartmeter query`."""

import csv
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click
import orjson

from app import settings
from app.topology import Topology

__all__ = ["command"]


@click.command(short_help="Show the rows that a SELECT finds in Cassandra.")
@click.argument("select")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="A table for people, CSV, or one JSON object a line.",
)
def command(select: str, kind: str) -> None:
    r"""Show the rows that SELECT finds; a table's keyspace may be left out.

    \b
    Example:
      smartmeter query "select * from smartmeter.raw_data limit 2"
    """
    from app.sinks import query

    values = settings.load()
    pages = query.select(values.archive, Topology(values).keyspace, select)
    printers = {"table": _print_tables, "csv": _print_csv, "json": _print_json}
    printers[kind](pages)


Pages = Iterator[tuple[Sequence[str], Sequence[Sequence[Any]]]]


def _print_tables(pages: Pages) -> None:
    from app.cli.tables import show

    count = 0
    for names, rows in pages:
        show(names, rows, "")
        count += len(rows)
    click.echo(f"({count} rows)")


def _print_csv(pages: Pages) -> None:
    lines = csv.writer(sys.stdout, lineterminator="\n")
    for number, (names, rows) in enumerate(pages):
        if number == 0:
            lines.writerow(names)
        lines.writerows(rows)


def _print_json(pages: Pages) -> None:
    for names, rows in pages:
        for row in rows:
            line = orjson.dumps(dict(zip(names, row, strict=True)), default=str)
            click.echo(line)
