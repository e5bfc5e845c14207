"""`smartmeter check`."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import click
import orjson

from app import connections, settings
from app.errors import SmartMeterError
from app.topology import Topology

__all__ = ["command"]

LOOK_SECONDS = 3.0
ANSWER_SECONDS_MAX = 20.0


class HopFailed(SmartMeterError):
    """A hop of the road does not do its work; the message names it."""


@dataclass(frozen=True, slots=True)
class Hop:
    """A part of the road, and what looks whether it works.

    look returns what there is to say of it, and raises HopFailed or any error of ours.
    """

    name: str
    look: Callable[[], Awaitable[str]]


@click.command(short_help="Go along the road; name the first hop that fails.")
@click.option(
    "--skip",
    multiple=True,
    type=click.Choice(["bridge", "live", "archive", "cassandra"]),
    help="Do not look at this hop; may be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a hop.")
def command(skip: Sequence[str], as_json: bool) -> None:
    r"""Go along the road from NATS to Cassandra, and name the first hop that fails.

    Nothing is published or changed. Stages are looked at twice, some seconds apart:
    work that waits and does not move is a failure, a backlog that shrinks is none.
    Exit code 1 with one line on standard error if a hop fails.

    \b
    Example:
      smartmeter check
      smartmeter check --skip archive --skip cassandra
    """
    road = Road(Topology(settings.load()))
    for hop in road.hops():
        if hop.name in skip:
            continue
        began = time.monotonic()
        text, failed = asyncio.run(_outcome(hop))
        if as_json:
            seconds = round(time.monotonic() - began, 3)
            row = {"hop": hop.name, "ok": not failed, "text": text, "seconds": seconds}
            click.echo(orjson.dumps(row))
        elif not failed:
            click.echo(f"{hop.name:<10} {text}")
        if failed:
            raise HopFailed(f"{hop.name}: {text}") from failed


async def _outcome(hop: Hop) -> tuple[str, Exception | None]:
    import nats.errors
    from aiokafka.errors import KafkaError

    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return await hop.look(), None
    except TimeoutError as error:
        return f"no answer in {ANSWER_SECONDS_MAX:.0f} s", error
    except (SmartMeterError, KafkaError, nats.errors.Error, OSError) as error:
        return str(error) or type(error).__name__, error


class Road:
    """The hops of one deployment, in the order in which a reading takes them."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._settings = topology.settings

    def hops(self) -> list[Hop]:
        """Return them."""
        topology = self._topology
        return [
            Hop("nats", self._nats),
            Hop("kafka", self._kafka),
            Hop("bridge", self._bridge),
            Hop("live", lambda: self._group("live", topology.live_group)),
            Hop("archive", lambda: self._group("archive", topology.archive_group)),
            Hop("cassandra", lambda: asyncio.to_thread(self._cassandra)),
        ]

    async def _nats(self) -> str:
        from bridge.survey import Survey, trouble_of_stream

        survey = await Survey.take(self._topology)
        if trouble := trouble_of_stream(survey):
            raise HopFailed(trouble)
        return f"stream {self._topology.stream}, {survey.stored:,} bytes"

    async def _kafka(self) -> str:
        from app import topics

        await connections.knock_at_kafka(self._settings)
        findings = await topics.check_topics(self._settings)
        for topic, text in findings:
            if text:
                raise HopFailed(f"topic {topic.name}: {text}")
        return f"{len(findings)} topics"

    async def _bridge(self) -> str:
        from bridge import survey

        before = await survey.Survey.take(self._topology)
        await asyncio.sleep(LOOK_SECONDS)
        after = await survey.Survey.take(self._topology)
        trouble = survey.trouble_of_bridges(
            before, after, self._topology.lanes
        ) or survey.trouble_of_lanes(before, after)
        if trouble:
            raise HopFailed(trouble)
        names = sorted(set(after.roster.owners.values()))
        waiting = sum(after.waiting.values())
        return f"{', '.join(names)} carry all lanes, {waiting:,} messages wait"

    async def _group(self, stage: str, group: str) -> str:
        """Look at a stage by what its consumer group has committed."""
        from app.cli.group import progress

        command = f"`smartmeter {'worker' if stage == 'live' else stage}`"
        before = await progress(self._topology, group)
        if not before.members:
            raise HopFailed(f"no {stage} worker runs: start one ({command})")
        await asyncio.sleep(LOOK_SECONDS)
        after = await progress(self._topology, group)
        if before.behind and after.behind and before.done == after.done:
            raise HopFailed(
                f"{after.behind:,} frames wait and do not move: see /ready of the"
                f" {stage} worker"
            )
        return f"{after.members} at work, {after.behind:,} frames behind"

    def _cassandra(self) -> str:
        from app.sinks import schema, session

        connected = session.connect(self._settings.archive)
        try:
            schema.check(connected, self._topology.keyspace)
        finally:
            session.close(connected)
        return f"keyspace {self._topology.keyspace}, schema version {schema.VERSION}"
