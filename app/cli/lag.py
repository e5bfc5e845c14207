"""`smartmeter lag`."""

import asyncio
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import click
import orjson

from app import settings
from app.cli.failures import failure
from app.topology import Topology

__all__ = ["Row", "command", "shown", "summed"]

WHOLE = ["bridge", "live", "archive", "results"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Where one of the stages has come to, in one lane of what it reads.

    since is when the first record that waits was written; None: nothing waits, or it
    is not known.
    """

    group: str
    topic: str
    lane: int
    end: int
    committed: int
    waiting: int
    since: float | None


@click.command()
@click.option(
    "--group",
    "stages",
    multiple=True,
    type=click.Choice(WHOLE),
    help="Only this stage; may be given several times.",
)
@click.option("--lanes", is_flag=True, help="Also a row for each lane.")
@click.option("--watch", is_flag=True, help="Show it again and again, until Ctrl-C.")
@click.option(
    "--every",
    type=click.FloatRange(0.5, 3_600),
    default=2.0,
    show_default=True,
    help="Seconds between two looks of --watch.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a lane.")
def command(
    *,
    stages: Collection[str],
    lanes: bool,
    watch: bool,
    every: float,
    as_json: bool,
) -> None:
    r"""Show what waits: for whom, in which topic and lane, and since when.

    The bridge reads the stream in JetStream, and its numbers are messages there; the
    others read Kafka. One row a topic has the sum, and the time of the oldest.

    \b
    Example:
      smartmeter lag --watch
      smartmeter lag --group archive --lanes
      smartmeter lag --json | jq -c 'select(.waiting > 1000)'
    """
    topology = Topology(settings.load())
    looked_for = stages or WHOLE
    try:
        if watch and not as_json:
            asyncio.run(_watch(topology, looked_for, every, lanes))
            return
        while True:
            rows = asyncio.run(_rows(topology, looked_for))
            if as_json:
                for row in rows:
                    click.echo(orjson.dumps(_fields(row)))
            else:
                _print(rows, lanes)
            if not watch:
                return
            time.sleep(every)
    except KeyboardInterrupt:
        raise click.exceptions.Abort from None


async def _rows(topology: Topology, stages: Collection[str]) -> list[Row]:
    rows: list[Row] = []
    if "bridge" in stages:
        rows += await _bridge_rows(topology)
    groups = {
        "live": topology.live_group,
        "archive": topology.archive_group,
        "results": topology.results_group,
    }
    wanted = {name: group for name, group in groups.items() if name in stages}
    if wanted:
        rows += await _group_rows(topology, wanted)
    return rows


async def _bridge_rows(topology: Topology) -> list[Row]:
    from bridge.survey import Survey

    survey = await Survey.take(topology, dated=True)
    return [
        Row(
            group="bridge",
            topic=topology.stream,
            lane=lane,
            end=survey.last_sequence,
            committed=survey.carried[lane],
            waiting=waiting,
            since=survey.waiting_since.get(lane),
        )
        for lane, waiting in sorted(survey.waiting.items())
    ]


async def _group_rows(topology: Topology, groups: dict[str, str]) -> list[Row]:
    from app.cli.group import Groups

    # A journal is read by no group: each worker reads it from where it has come to.
    topics = {topic.name for topic in topology.topics if topic.retention_seconds > 0}
    rows: list[Row] = []
    async with Groups(topology) as kafka:
        for name, group in groups.items():
            rows += [
                Row(
                    group=name,
                    topic=lag.topic,
                    lane=lag.partition,
                    end=lag.end,
                    committed=lag.committed,
                    waiting=lag.count,
                    since=lag.waiting_since,
                )
                for lag in await kafka.dated(await kafka.lags(group, topics))
            ]
    return rows


def summed(rows: Collection[Row]) -> Iterator[Row]:
    """Yield one row a group and topic: sums, the oldest age, and no lane (-1)."""
    for key in dict.fromkeys((row.group, row.topic) for row in rows):
        some = [row for row in rows if (row.group, row.topic) == key]
        stamps = [row.since for row in some if row.since is not None]
        yield Row(
            group=key[0],
            topic=key[1],
            lane=-1,
            end=sum(row.end for row in some),
            committed=sum(row.committed for row in some),
            waiting=sum(row.waiting for row in some),
            since=min(stamps, default=None),
        )


def shown(rows: Collection[Row], lanes: bool) -> list[Row]:
    """Return the rows for a person: a sum for each topic, and its lanes if asked."""
    found: list[Row] = []
    for total in summed(rows):
        found.append(total)
        found += [
            row
            for row in rows
            if lanes and (row.group, row.topic) == (total.group, total.topic)
        ]
    return found


def _table(rows: Collection[Row], lanes: bool) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("group", "topic"):
        table.add_column(name, no_wrap=True)
    for name in ("lane", "end", "committed") if lanes else ():
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("waiting", "for"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in shown(rows, lanes):
        is_sum = row.lane < 0
        # The end of a stream is that of all its lanes: only a lane's row has places.
        places = [str(row.lane), f"{row.end:,}", f"{row.committed:,}"]
        table.add_row(
            *([row.group, row.topic] if is_sum else ["", ""]),
            *(([""] * 3 if is_sum else places) if lanes else []),
            f"{row.waiting:,}",
            _age(row),
            style="bold" if lanes and is_sum else "",
        )
    return table


def _print(rows: Collection[Row], lanes: bool) -> None:
    from rich.console import Console

    console = Console()
    console.width = max(console.width, 100)
    console.print(_table(rows, lanes))
    if not rows:
        click.echo("No stage has ever read: start a bridge and workers.")


async def _watch(
    topology: Topology, stages: Collection[str], every: float, lanes: bool
) -> None:
    from rich.live import Live

    rows: list[Row] = []
    with Live(auto_refresh=False) as live:
        while True:
            said = ""
            try:
                rows = await _rows(topology, stages)
            except Exception as error:
                told = failure(error)
                if told is None:
                    raise
                said = f"; {told.line}"  # what was seen last stays
            table = _table(rows, lanes)
            table.caption = f"{time.strftime('%H:%M:%S')}{said}"
            live.update(table, refresh=True)
            await asyncio.sleep(every)


def _age(row: Row) -> str:
    if row.since is None:
        return "?" if row.waiting else ""
    return f"{max(0.0, time.time() - row.since):,.1f} s"


def _fields(row: Row) -> dict[str, Any]:
    return {
        "group": row.group,
        "topic": row.topic,
        "lane": row.lane,
        "end": row.end,
        "committed": row.committed,
        "waiting": row.waiting,
        "waiting_since_epoch_seconds": row.since,
    }
