"""`smartmeter where`."""

import asyncio
from typing import Any

import click
import orjson

from app import settings
from app.domain.readings import KEY_MAX, lane_of
from app.topology import Topology

__all__ = ["command"]

Key = click.IntRange(1, KEY_MAX)


@click.command()
@click.argument("line", type=Key)
@click.argument("transformer", type=Key)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(line: int, transformer: int, as_json: bool) -> None:
    r"""Show whose the readings of a transformer are: lane, bridge, worker.

    The lane is that of the stream in JetStream, and the partition of every keyed topic
    in Kafka. A page of the worker shows the transformer; any worker's page does.

    \b
    Example:
      smartmeter where 11 3
      curl "$(smartmeter where 11 3 --json | jq -r .worker)/live"
    """
    topology = Topology(settings.load())
    found = asyncio.run(_find(topology, line, transformer))
    if as_json:
        click.echo(orjson.dumps(found))
        return
    for name, value in found.items():
        click.echo(f"{name:<12} {'nobody' if value is None else value}")


async def _find(topology: Topology, line: int, transformer: int) -> dict[str, Any]:
    from app.cli.group import Groups, Member
    from bridge.survey import Survey

    lane = lane_of(line, transformer, topology.lanes)
    survey = await Survey.take(topology)
    async with Groups(topology) as groups:
        live = await groups.members(topology.live_group)
        archive = await groups.members(topology.archive_group)

    def owner(members: list[Member]) -> str | None:
        name = topology.readings.name
        having = [each for each in members if lane in each.partitions.get(name, ())]
        return having[0].url or having[0].host if having else None

    return {
        "line": line,
        "transformer": transformer,
        "lane": lane,
        "subject": f"{topology.subject}.data.{line}.{transformer}.<usagepoint>",
        "partition": f"{topology.readings.name} {lane}",
        "bridge": survey.roster.owners.get(lane),
        "worker": owner(live),
        "archive": owner(archive),
    }
