"""Writes a journal's records to its topic, and lets go of what nobody reads again."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Iterable
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from app.connections import kafka_options
from app.settings import Settings
from tables.journal import Journal

__all__ = ["JournalWriter"]

PARTS_ON_THE_WAY_MAX = 4  # of a snapshot, each up to some megabytes

logger = logging.getLogger(__name__)


class JournalWriter:
    """Writes to a Faust topic.

    keeps_former leaves the former snapshot in the journal, for a state that may refuse
    one.
    """

    def __init__(self, topic: Any, settings: Settings, *, keeps_former: bool) -> None:
        self._topic = topic
        self._settings = settings
        self._keeps_former = keeps_former
        self._truncations: set[asyncio.Task[None]] = set()

    async def write(self, partition: int, record: bytes) -> int:
        """Write a record; return its offset, at which it is durable then."""
        return int((await (await self._send(partition, record))).offset)

    async def snapshot(
        self, partition: int, journal: Journal[Any], records: Iterable[bytes]
    ) -> None:
        """Write a snapshot, then let the broker drop what lies before it.

        Where the former one is kept, what lies before that. Some parts are on their way
        at a time; a part that is lost leaves a snapshot that nobody reads.
        """
        former = journal.snapshot_at
        first = offset = -1
        on_the_way: deque[Awaitable[Any]] = deque()
        parts = iter(records)
        while True:
            record = next(parts, None)
            if record is not None:
                on_the_way.append(await self._send(partition, record))
            if not on_the_way:
                break
            if record is None or len(on_the_way) == PARTS_ON_THE_WAY_MAX:
                offset = int((await on_the_way.popleft()).offset)
                journal.written(offset)
                first = offset if first < 0 else first
        # Another's record before ours may be a new owner's snapshot: let it be.
        if journal.offset != offset:
            return
        journal.snapshot_at = first
        before = former if self._keeps_former else first
        if before > 0:
            task = asyncio.ensure_future(self._truncate(partition, before))
            self._truncations.add(task)
            task.add_done_callback(self._truncations.discard)

    async def _send(self, partition: int, record: bytes) -> Awaitable[Any]:
        sent: Awaitable[Any] = await self._topic.send(value=record, partition=partition)
        return sent

    async def _truncate(self, partition: int, before: int) -> None:
        admin = AIOKafkaAdminClient(**kafka_options(self._settings))
        place = TopicPartition(self._topic.get_topic_name(), partition)
        try:
            await admin.start()
            await admin.delete_records({place: RecordsToDelete(before_offset=before)})
        except (KafkaError, TimeoutError) as error:
            # The next snapshot tries again; until then recovery reads a little more.
            logger.warning("Journal %s is not truncated: %r", place, error)
        finally:
            await admin.close()
