"""The hops of the road, in the order in which a reading takes them, and how each is."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from app import connections
from app.cli.nearby import FOLDER
from app.errors import HopFailed, Reason
from app.topology import Topology

__all__ = ["Hop", "Road", "compared"]

LOOK_SECONDS = 3.0
CLOCK_SECONDS_MAX = 5.0
LETTERS_READ = 200
LETTERS_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Hop:
    """A part of the road, and what looks whether it works.

    look returns what there is to say of it, and raises HopFailed or any error of ours
    or of a driver. needs are the hops without which nothing is known of it.
    """

    name: str
    look: Callable[[], Awaitable[str]]
    needs: frozenset[str] = field(default=frozenset())


class Road:
    """The hops of one deployment."""

    def __init__(
        self,
        topology: Topology,
        *,
        silent_seconds: float,
        prometheus: str = "",
        folder: Path = FOLDER,
    ) -> None:
        self._topology = topology
        self._settings = topology.settings
        self._silent_seconds = silent_seconds
        self._prometheus = prometheus
        self._folder = folder  # of a run on this machine, if there is one

    def hops(self) -> list[Hop]:
        """Return them."""
        on_nats, on_kafka = frozenset({"nats"}), frozenset({"kafka"})
        hops = [
            Hop("meter", self._meter, on_nats),
            Hop("nats", self._nats),
            Hop("bridge", self._bridge, on_nats | on_kafka),
            Hop("kafka", self._kafka),
            Hop("live", lambda: self._group("live"), on_kafka),
            Hop("archive", lambda: self._group("archive"), on_kafka | {"cassandra"}),
            Hop("cassandra", lambda: asyncio.to_thread(self._cassandra)),
            Hop("clocks", self._clocks, on_nats),
        ]
        if self._prometheus:
            hops.append(Hop("prometheus", self._ask_prometheus))
        return hops

    @cached_property
    def _surveys(self) -> "asyncio.Task[tuple[Any, Any]]":
        """Two looks at NATS, some seconds apart, shared by the hops that need them."""
        return asyncio.ensure_future(self._take_surveys())

    async def _take_surveys(self) -> tuple[Any, Any]:
        from bridge.survey import Survey

        before = await Survey.take(self._topology)
        await asyncio.sleep(LOOK_SECONDS)
        return before, await Survey.take(self._topology)

    # The hops -----------------------------------------------------------------------

    async def _meter(self) -> str:
        before, after = await asyncio.shield(self._surveys)
        if not after.last_sequence:
            raise HopFailed(
                "no reading was ever stored: let something publish to"
                f" {self._topology.subject}.data.> (`smartmeter simulate`)"
            )
        silent = after.server_time - after.last_time
        if silent > self._silent_seconds:
            raise HopFailed(
                f"nothing was published for {silent:,.0f} s: see the meters, and"
                f" whether they publish to {self._topology.subject}.data.>"
                f" (`smartmeter monitor` shows it)"
            )
        per_second = (after.last_sequence - before.last_sequence) / LOOK_SECONDS
        refused = await self._refusals()
        if refused[Reason.FUTURE.value]:
            raise HopFailed(
                f"{refused[Reason.FUTURE.value]} readings of the last"
                f" {LETTERS_SECONDS / 60:.0f} minutes came from the future: set the"
                " clock of those meters (`smartmeter dead-letters list --reason"
                " future` names them), then replay the letters"
            )
        letters = "; ".join(f"{n} refused for {why}" for why, n in refused.items())
        return f"{per_second:,.0f} messages/s{', ' if letters else ''}{letters}"

    async def _refusals(self) -> Counter[str]:
        """Return why messages were refused of late; nothing if Kafka is away."""
        from app.cli.failures import failure
        from bridge.dead_letters import newest

        try:
            letters = await newest(self._topology, LETTERS_READ)
        except Exception as error:
            if failure(error) is None:
                raise
            return Counter()  # the hop kafka says it
        late = time.time() - LETTERS_SECONDS
        return Counter(each.reason.value for each in letters if each.arrival > late)

    async def _nats(self) -> str:
        from bridge.survey import trouble_of_stream

        _, survey = await asyncio.shield(self._surveys)
        if trouble := trouble_of_stream(survey):
            raise HopFailed(trouble)
        return f"stream {self._topology.stream}, {survey.stored:,} bytes"

    async def _bridge(self) -> str:
        from bridge import survey

        before, after = await asyncio.shield(self._surveys)
        trouble = survey.trouble_of_bridges(
            before, after, self._topology.lanes
        ) or survey.trouble_of_lanes(before, after)
        if trouble:
            raise HopFailed(trouble)
        names = sorted(set(after.roster.owners.values()))
        waiting = sum(after.waiting.values())
        return f"{', '.join(names)} carry all lanes, {waiting:,} messages wait"

    async def _kafka(self) -> str:
        from app import topics

        await connections.knock_at_kafka(self._settings)
        findings = await topics.check_topics(self._settings)
        for topic, text in findings:
            if text:
                raise HopFailed(f"topic {topic.name}: {text}")
        return f"{len(findings)} topics"

    async def _group(self, stage: str) -> str:
        """Look at a stage by what its consumer group has committed."""
        from app.cli import stages

        topology = self._topology
        group = topology.live_group if stage == "live" else topology.archive_group
        before = await stages.look(topology, group)
        if before.members:
            await asyncio.sleep(LOOK_SECONDS)
        return stages.verdict(
            stage,
            before,
            await stages.look(topology, group) if before.members else before,
            rows=await asyncio.to_thread(stages.nearby_rows, self._folder),
            takeover_seconds=self._settings.kafka.session_timeout_seconds,
        )

    def _cassandra(self) -> str:
        from app.sinks import schema, session

        connected = session.connect(self._settings.archive)
        try:
            schema.check(connected, self._topology.keyspace)
        finally:
            session.close(connected)
        return f"keyspace {self._topology.keyspace}, schema version {schema.VERSION}"

    async def _clocks(self) -> str:
        """Compare the clocks of servers with this machine's; Kafka tells no time."""
        from bridge.survey import Survey

        began = time.time()
        told = {"NATS": (await Survey.take(self._topology)).server_time}
        half = (time.time() - began) / 2
        offsets = {"NATS": told["NATS"] - began - half if told["NATS"] else 0.0}
        offsets |= await asyncio.to_thread(self._cassandra_clock)
        return compared(offsets)

    def _cassandra_clock(self) -> dict[str, float]:
        from app.errors import FatalError, SinkUnavailable
        from app.sinks import session

        try:
            connected = session.connect(self._settings.archive)
        except (SinkUnavailable, FatalError):
            return {}  # the hop cassandra says it
        try:
            began = time.time()
            (row,) = connected.execute(
                "select toUnixTimestamp(now()) from system.local"
            )
            return {"Cassandra": float(row[0]) / 1_000 - (began + time.time()) / 2}
        finally:
            session.close(connected)

    async def _ask_prometheus(self) -> str:
        from app.cli.prometheus import look

        return await look(self._prometheus, self._settings.web)


def compared(offsets: Mapping[str, float]) -> str:
    """Return how far servers' clocks are ahead of this machine's, in seconds.

    Raises:
        HopFailed: One is off; names that which is most.
    """
    name, offset = max(offsets.items(), key=lambda each: abs(each[1]))
    if abs(offset) > CLOCK_SECONDS_MAX:
        raise HopFailed(
            f"{name}'s clock is {abs(offset):,.0f} s"
            f" {'ahead of' if offset > 0 else 'behind'} this machine's"
            f" ({datetime.now(UTC):%H:%M:%S} UTC): set whichever is wrong, and let NTP"
            " keep both"
        )
    return ", ".join(f"{name} {offset:+.1f} s" for name, offset in offsets.items())
