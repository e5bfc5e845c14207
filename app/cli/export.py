"""`smartmeter export`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from app import settings
from app.cli.selection import selection_options
from app.cli.tables import progress_bar

if TYPE_CHECKING:
    from app.sinks.selection import Selection

__all__ = ["command"]

NAMES = ["raw", "late", "windows", "maxima", "temperature", "predictions", "alerts",
         "averages"]  # fmt: skip


@click.command(short_help="Write stored rows to a CSV, Parquet or Excel file.")
@click.argument("what", type=click.Choice(NAMES))
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "parquet", "xlsx"]),
    help="Kind of file.  [default: by the name of the file, else csv]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file; it is replaced.  [default: WHAT.FORMAT here]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@selection_options
def command(
    *,
    what: str,
    kind: str | None,
    output: Path | None,
    as_json: bool,
    selection: "Selection",
) -> None:
    r"""Write stored rows to a file: WHAT is raw, windows, maxima and so on.

    The file appears under its name once it is whole. Excel opens xlsx without a driver;
    it holds 1,048,575 rows.

    \b
    Example:
      smartmeter export raw --format xlsx --from 2026-11-23 --line 11 --transformer 3
      smartmeter export windows -o november.parquet --from 2026-11-01 --to 2026-11-30
    """
    from app.exports.files import whole_file
    from app.exports.formats import Format, require, writer
    from app.exports.sources import Export
    from app.sinks.rows import length

    suffix = output.suffix[1:].lower() if output else ""
    if kind is None:
        kind = suffix if suffix in list(Format) else Format.CSV
    path = output or Path(f"{what}.{kind}")
    with Export(settings.load(), what, selection) as export:
        require(Format(kind), export.count)
        count = 0
        with whole_file(path) as file, progress_bar(str(path)) as progress:
            writing = writer(Format(kind), export.table, file)
            for rows in export.pages(progress):
                writing.write(rows)
                count += length(rows)
            writing.finish()
    if as_json:
        click.echo(orjson.dumps({"path": str(path), "rows": count}))
    else:
        click.echo(f"{path}: {count:,} rows")
