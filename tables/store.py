"""The store behind a journaled table: which journals are here, and their recovery."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

from aiokafka.errors import IllegalStateError
from faust.stores.base import Store
from faust.types import TP

from app.errors import StateDiverged
from app.topology import Topic
from tables.journal import Journal

__all__ = ["JournalStore"]

logger = logging.getLogger(__name__)


class JournalStore(Store):
    """The journals of the partitions that this worker has."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.journals: dict[int, Journal[Any]] = {}
        self.ready: set[int] = set()

    def journal(self, partition: int) -> Journal[Any]:
        """Return the journal of a partition, new if there is none."""
        if partition not in self.journals:
            self.journals[partition] = Journal(self.table.new_state, self.app.owner)
        return self.journals[partition]

    def persisted_offset(self, tp: TP) -> int | None:
        """Return where recovery may begin: after the last record known here."""
        journal = self.journals.get(tp.partition)
        return journal.offset if journal and journal.offset >= 0 else None

    def apply_changelog_batch(
        self, batch: Iterable[Any], to_key: Any, to_value: Any
    ) -> None:
        """Read journal records back."""
        del to_key, to_value
        for event in batch:
            message = event.message
            try:
                self.journal(message.partition).read(message.offset, message.value)
            except StateDiverged as error:
                # Faust's recovery would log any exception and go on with a hole.
                self.app.fail(error)

    async def on_recovery_completed(
        self, active_tps: set[TP], standby_tps: set[TP]
    ) -> None:
        """Take over what is new here, and tell the group where each state stands."""
        del standby_tps
        try:
            await self._take_over({tp.partition for tp in active_tps})
        except Exception as error:  # noqa: BLE001 - Faust waits for us and looks away
            self.app.fail(error)

    async def _take_over(self, partitions: set[int]) -> None:
        for gone in self.journals.keys() - partitions:
            del self.journals[gone]
        generation = self.app.consumer_generation_id
        begun = [
            self._begin(number, journal, generation)
            for number in sorted(partitions)
            if not (journal := self.journal(number)).owned
        ]
        await asyncio.gather(*begun)
        places = {
            TP(topic.name, number): self._first_needed(topic, number)
            for number in partitions
            for topic in self.table.sources
        }
        # A worker may have no partition of this table, and aiokafka commits no nothing.
        if not places or await self._seek(places):
            self.ready = partitions
            here = sorted(partitions)
            logger.info("%s: partitions %s are ready.", self.table_name, here)

    def _first_needed(self, topic: Topic, number: int) -> int:
        """Return the offset at which a source goes on.

        Where several tables read it, the one that is furthest behind decides; the
        others leave out what they include. All journals have been read by now.
        """
        readers = [
            table
            for table in self.app.tables.values()
            if topic in getattr(table, "sources", ())
        ]
        journals = (table.data.journal(number) for table in readers)
        return 1 + min(each.offsets.get(topic.name, -1) for each in journals)

    async def _begin(
        self, partition: int, journal: Journal[Any], generation: int
    ) -> None:
        records = journal.begin_term(generation)
        await self.table.writer.snapshot(partition, journal, records)
        journal.begun = True

    async def _seek(self, places: dict[TP, int]) -> bool:
        """Set the group's offsets and the fetcher's; False: lanes change hands again.

        Faust would let the fetcher go on from where Kafka had put it, and seek after
        that: what came in between would stand before what must come first.
        """
        consumer = self.app.consumer
        try:
            if not await consumer._commit(places):  # noqa: SLF001 - no public way
                return False
            await consumer.seek_wait(places)
        except IllegalStateError:
            return False
        return True

    def reset_state(self) -> None:
        """Forget nothing: journals are kept apart by term and owner."""

    async def backup_partition(self, *args: Any, **options: Any) -> None:
        """Refuse: the journal is the copy."""
        raise NotImplementedError

    def restore_backup(self, *args: Any, **options: Any) -> None:
        """Refuse: the journal is the copy."""
        raise NotImplementedError


# mode would log each start and stop of a service under this module's name.
JournalStore.logger = logging.getLogger("mode.smartmeter")
