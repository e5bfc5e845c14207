"""A Faust table whose changelog is a journal: the state owns the offset.

Faust brings the partitions, the recovery and the rebalance; the journal brings the
state, and how far into its sources it reaches. When recovery is complete, the group's
committed offsets are set to that place before Faust seeks to them: whatever Faust has
committed before, frames are read again from where the durable state ends, and never
counted twice, since `admit` lets only the next offset pass.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import faust
from faust.types import TP

from app.errors import StateDiverged
from app.metrics import live
from app.topology import Topic
from app.worker import Result, SmartMeter
from tables.journal import Body, Journal, State
from tables.store import JournalStore
from tables.writer import JournalWriter

__all__ = ["Change", "JournaledTable"]

S = TypeVar("S", bound=State)
GROUPS_ON_THE_WAY_MAX = 2
RECOVERY_BUFFER_RECORDS = 100  # a journal record is up to some megabytes

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a group of events did to a state: its delta, and what to publish."""

    body: Body
    results: list[Result] = field(default_factory=list)


Fold = Callable[[int, S, Sequence[Any]], Change]
"""Changes a partition's state by its next events, and says how."""


class JournaledTable(faust.Table, Generic[S]):
    """A table of one state per partition, durable in a journal.

    sources are the topics whose offsets the state owns; growth_bytes_min is the least
    growth of the journal between two snapshots (default: the setting); keeps_former
    leaves the former snapshot in the journal, for a state that may refuse one.
    """

    def __init__(
        self,
        app: SmartMeter,
        *,
        journal: Topic,
        sources: Sequence[Topic],
        new_state: Callable[[], S],
        growth_bytes_min: int | None = None,
        keeps_former: bool = False,
        help: str,  # noqa: A002 - Faust's name, printed by `faust tables`
    ) -> None:
        self.new_state = new_state
        self.sources = tuple(sources)
        self.growth_bytes_min = (
            growth_bytes_min or app.smartmeter.kafka.journal_bytes_min
        )
        super().__init__(
            app,
            name=journal.name.rpartition(".")[2],
            help=help,
            partitions=journal.partitions,
            key_type=bytes,
            value_type=bytes,
            recovery_buffer_size=RECOVERY_BUFFER_RECORDS,
            changelog_topic=app.topic(
                journal.name,
                key_type=bytes,
                value_type=bytes,
                key_serializer="raw",
                value_serializer="raw",
                partitions=journal.partitions,
                acks=False,
                internal=True,
                allow_empty=True,
            ),
        )
        self.writer = JournalWriter(
            self.changelog_topic, app.smartmeter, keeps_former=keeps_former
        )
        app.tables.add(self)

    def _new_store(self) -> JournalStore:
        return JournalStore("journal://", self.app, self, table_name=self.name)

    # What agents and views use ------------------------------------------------------

    @property
    def states(self) -> Mapping[int, S]:
        """The states of the partitions that this worker answers for."""
        store = self.data
        return {
            number: store.journals[number].state
            for number in sorted(store.ready)
            if number in store.journals
        }

    def offset(self, partition: int, topic: Topic) -> int:
        """Return the last offset of a source that a state includes; -1: none."""
        offsets: dict[str, int] = self.data.journals[partition].offsets
        return offsets.get(topic.name, -1)

    async def consume(self, stream: Any, fold: "Fold[S]") -> None:
        """Take a stream's events in groups, each committed before it is acknowledged.

        The order of a group's steps is what makes it exact. Results first: a crash
        between them and the journal repeats results that are equal to the letter. The
        journal second: from here the group is in the state. The acknowledgement last.
        The next group is folded while a group is on its way to the broker.
        """
        worker = self.app.smartmeter.worker
        within = worker.group_milliseconds_max / 1_000
        on_the_way: deque[asyncio.Task[None]] = deque()
        async for events in stream.noack_take(worker.group_frames_max, within):
            try:
                results, steps = await self._fold(events, fold)
            except Exception as error:  # noqa: BLE001 - see below
                # Whatever left this loop would acknowledge the group (faust.md 1.3).
                self.app.fail(error)
            before = on_the_way[-1] if on_the_way else None
            on_the_way.append(
                asyncio.ensure_future(self._commit(events, results, steps, before))
            )
            due = [
                (partition, journal)
                for partition, journal, _ in steps
                if journal.is_snapshot_due(self.growth_bytes_min)
            ]
            # A snapshot holds all that has been folded, so all must be durable first.
            while len(on_the_way) > (0 if due else GROUPS_ON_THE_WAY_MAX):
                await on_the_way.popleft()
            await self._snapshot(due)

    async def _snapshot(self, due: Sequence[tuple[int, Journal[S]]]) -> None:
        try:
            await asyncio.gather(
                *(
                    self.writer.snapshot(partition, journal, journal.snapshot())
                    for partition, journal in due
                )
            )
        except Exception as error:  # noqa: BLE001 - half a snapshot is of no use
            self.app.fail(error)

    async def _fold(
        self, events: Sequence[Any], fold: "Fold[S]"
    ) -> tuple[list[Result], list[tuple[int, Journal[S], bytes]]]:
        results: list[Result] = []
        steps = []
        for partition, admitted in (await self._admit(events)).items():
            journal: Journal[S] = self.data.journals[partition]
            change = fold(partition, journal.state, admitted)
            offsets = {event.message.topic: event.message.offset for event in admitted}
            # The record gets its place in the chain now, so that a change of owner
            # while the results are on their way leaves it behind.
            steps.append((partition, journal, journal.delta(change.body, offsets)))
            results += change.results
        return results, steps

    async def _commit(
        self,
        events: Sequence[Any],
        results: Sequence[Result],
        steps: Sequence[tuple[int, Journal[S], bytes]],
        before: "asyncio.Task[None] | None",
    ) -> None:
        started = time.monotonic()
        try:
            await self.app.publish(results)
            if before:
                await before
            offsets = await asyncio.gather(
                *(
                    self.writer.write(partition, record)
                    for partition, _, record in steps
                )
            )
        except Exception as error:  # noqa: BLE001 - nothing may be acknowledged now
            self.app.fail(error)
        for (_, journal, _), offset in zip(steps, offsets, strict=True):
            journal.written(offset)
        for event in events:
            event.ack()
        live.group_committed(self.name, time.monotonic() - started)

    def suspend(self) -> None:
        """Admit nothing until the next recovery is complete."""
        self.data.ready = set()

    async def _admit(self, events: Sequence[Any]) -> dict[int, list[Any]]:
        """Return the events that come next, by partition, in order.

        Left out: what the state includes already, and partitions that are not ours now.
        """
        store: JournalStore = self.data
        admitted: dict[int, list[Any]] = {}
        reached: dict[TP, int] = {}
        for event in events:
            message = event.message
            place = TP(message.topic, message.partition)
            if message.partition not in store.ready:
                continue
            offsets = store.journals[message.partition].offsets
            last = reached.get(place, offsets.get(message.topic, -1))
            if message.offset <= last:
                continue
            if message.offset > last + 1:
                await self._check_gap(place, last, message.offset)
                journal = store.journals.get(message.partition)
                if journal is None or journal.offsets is not offsets:
                    continue  # the lane changed hands meanwhile: it is read again
            reached[place] = message.offset
            admitted.setdefault(message.partition, []).append(event)
        return admitted

    async def _check_gap(self, place: TP, last: int, offset: int) -> None:
        """Let a gap pass that the broker's retention made; stop the process at others.

        A process that stops reads again from where its state ends.
        """
        earliest = (await self.app.consumer.earliest_offsets(place))[place]
        if earliest <= last + 1:
            self.app.fail(
                StateDiverged(
                    f"{place.topic} partition {place.partition}: offset {offset} came,"
                    f" and {last + 1} did not"
                )
            )
        if last >= 0:
            logger.error(
                "%s partition %s: records %s to %s were deleted before they were read.",
                place.topic,
                place.partition,
                last + 1,
                offset - 1,
            )


# mode would log each start and stop of a service under this module's name.
JournaledTable.logger = logging.getLogger("mode.smartmeter")
