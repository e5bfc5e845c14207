"""`smartmeter settings`."""

import click
import orjson

from app import settings as _settings

__all__ = ["command"]


@click.command(short_help="Show every setting, its value and where it comes from.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per setting."
)
def command(as_json: bool) -> None:
    r"""Show every setting, its value and where it comes from; secrets stay hidden.

    \b
    Example:
      SMARTMETER_KAFKA__SERVERS=broker:9092 smartmeter settings
    """
    rows = list(_settings.describe(_settings.load()))
    if as_json:
        for row in rows:
            click.echo(orjson.dumps(row._asdict()))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("Setting", "Value", "From", "Meaning"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
