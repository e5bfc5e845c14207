"""`smartmeter logs`."""

import time
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson

from app.errors import SmartMeterError

__all__ = ["command", "pretty"]

LOOK_SECONDS = 0.3
TAIL_BYTES_MAX = 4 << 20
FOLDER = Path(".run")
SUFFIX = ".log"


class NoLogs(SmartMeterError):
    """There is no such log; the message says which there are."""


class Name(click.ParamType):
    """The name of a process of a run; a shell completes it."""

    name = "name"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Any]:
        """Return the names of the logs that are there."""
        del param
        from click.shell_completion import CompletionItem

        folder = ctx.params.get("folder") or FOLDER
        names = (path.stem for path in _logs(Path(folder)))
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.command()
@click.argument("names", type=Name(), nargs=-1, metavar="[NAME]...")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=FOLDER,
    show_default=True,
    help="The run's folder.",
)
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(0, 100_000),
    default=20,
    show_default=True,
    help="So many of the last lines of each.",
)
@click.option("-f", "--follow", is_flag=True, help="Show what is added, until Ctrl-C.")
@click.option("--former", is_flag=True, help="The log of the process before this one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def command(
    *,
    names: Collection[str],
    folder: Path,
    lines: int,
    follow: bool,
    former: bool,
    as_json: bool,
) -> None:
    r"""Show the logs of a run on this machine (`make run`): which there are, or some.

    Without a NAME, the files with their size, age and last line; with --follow, all of
    them. A stage's name (worker) stands for all of its processes (worker-1, …). In a
    cluster, logs are those of its containers.

    \b
    Example:
      smartmeter logs
      smartmeter logs bridge-1 worker -n 50 --follow
      smartmeter logs kafka --former
    """
    paths = _chosen(folder, names, former)
    if not names and not follow:
        _list(paths, as_json)
        return
    width = max(len(path.name.partition(".")[0]) for path in paths)
    try:
        for name, line in _lines(paths, lines, follow):
            if as_json:
                click.echo(orjson.dumps({"name": name, **_fields(line)}))
            else:
                click.echo(f"{name:<{width}}  {pretty(line)}")
    except KeyboardInterrupt:
        raise click.exceptions.Abort from None


def _logs(folder: Path, suffix: str = SUFFIX) -> list[Path]:
    return sorted((folder / "logs").glob(f"*{suffix}"))


def _chosen(folder: Path, names: Collection[str], former: bool) -> list[Path]:
    suffix = f"{SUFFIX}.1" if former else SUFFIX
    there = {path.name.removesuffix(suffix): path for path in _logs(folder, suffix)}
    if not there:
        raise NoLogs(
            f"no logs in {folder / 'logs'}: start a run (`make run`), or give --folder"
        )
    chosen: dict[str, Path] = {}
    for name in names or there:
        # A stage stands for all its processes.
        found = {n: p for n, p in there.items() if name in {n, n.partition("-")[0]}}
        if not found:
            raise NoLogs(f"no log {name} in {folder}: there are {', '.join(there)}")
        chosen |= found
    return list(chosen.values())


def _list(paths: Collection[Path], as_json: bool) -> None:
    rows = []
    for path in paths:
        last = next(iter(_tail(path, 1)[0]), "")
        said = path.stat()
        rows.append(
            (path.name.partition(".")[0], path, said.st_size, said.st_mtime, last)
        )
    if as_json:
        for name, path, size, changed, last in rows:
            click.echo(
                orjson.dumps(
                    {
                        "name": name,
                        "path": str(path),
                        "bytes": size,
                        "changed_epoch_seconds": round(changed, 3),
                        "last": last,
                    }
                )
            )
        return
    for name, path, size, changed, last in rows:
        age = f"{time.time() - changed:,.0f} s ago"
        click.echo(f"{name:<12} {size:>12,} bytes {age:>14}  {path}")
        if last:
            click.echo(f"{'':<12} {pretty(last)}")


def _tail(path: Path, count: int) -> tuple[list[str], int]:
    """Return the last lines of a log, and where they end."""
    with path.open("rb") as opened:
        end = opened.seek(0, 2)
        opened.seek(max(0, end - TAIL_BYTES_MAX))
        text = opened.read(end - opened.tell()).decode(errors="replace")
    return list(deque(text.splitlines(), maxlen=count)), end


def _lines(
    paths: Collection[Path], count: int, follow: bool
) -> Iterator[tuple[str, str]]:
    """Yield names and lines: the last ones, then, if asked, those that are added."""
    places: dict[Path, int] = {}
    for path in paths:
        last, places[path] = _tail(path, count)
        yield from ((path.name.partition(".")[0], line) for line in last)
    while follow:
        time.sleep(LOOK_SECONDS)
        for path in paths:
            with suppress(FileNotFoundError):  # it is being replaced
                added, places[path] = _added(path, places[path])
                yield from ((path.name.partition(".")[0], line) for line in added)


def _added(path: Path, place: int) -> tuple[list[str], int]:
    """Return the whole lines behind a place, and where they end."""
    with path.open("rb") as opened:
        if opened.seek(0, 2) < place:
            place = 0  # another process has begun its log
        opened.seek(place)
        text = opened.read(TAIL_BYTES_MAX)
    whole = text[: text.rfind(b"\n") + 1]
    return whole.decode(errors="replace").splitlines(), place + len(whole)


def _fields(line: str) -> dict[str, Any]:
    try:
        fields = orjson.loads(line)
    except ValueError:
        fields = None
    return fields if isinstance(fields, dict) else {"message": line}


def pretty(line: str) -> str:
    """Return a log line for a person: ours are JSON, a server's are as they are.

    >>> pretty('{"time":"2026-11-24T13:00:01.5+00:00","level":"info","message":"Up."}')
    '13:00:01 info     Up.'
    >>> pretty("[1] 2026/11/24 Server is ready")
    '[1] 2026/11/24 Server is ready'
    """
    fields = _fields(line)
    if "level" not in fields or "message" not in fields:
        return line
    try:
        told = datetime.fromisoformat(str(fields.get("time", "")))
        when = f"{told.astimezone(UTC):%H:%M:%S} "
    except ValueError:
        when = ""
    more = f"\n{fields['exception']}" if fields.get("exception") else ""
    return f"{when}{fields['level']:<8} {fields['message']}{more}"
