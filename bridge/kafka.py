"""Appending to Kafka, and knowing of each batch whether it is there.

aiokafka's producer keeps batches of its own, and sends the later ones though an earlier
one has failed: a gap, where a lane's log must have none. So here a batch is built, sent
and tried again until the broker's word is there, over aiokafka's client.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import time
from typing import Any, NamedTuple, TypeVar

from aiokafka import AIOKafkaClient
from aiokafka.errors import (
    ConcurrentTransactions,
    DuplicateSequenceNumber,
    KafkaError,
    LeaderNotAvailableError,
    NoError,
    RecordTooLargeError,
    for_code,
)
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.structs import TopicPartition
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_delay,
    wait_random_exponential,
)

from app import connections
from app.settings import Settings
from app.topology import EVENT_BYTES_MAX, Topic

__all__ = ["NOBODY", "Broker", "Kafka", "Value", "Writer"]

BATCH_MAGIC = 2
UNCOMPRESSED = 0
BACK_OFF_SECONDS_MAX = 1.0
CANCEL_SECONDS_MAX = 1.0

T = TypeVar("T")

Value = tuple[Topic, int, bytes]
"""A topic, a partition of it, and a value for it."""


class Writer(NamedTuple):
    """By whom a batch is written, for the broker to drop repeats and former writers."""

    producer_id: int
    epoch: int
    sequence: int


NOBODY = Writer(-1, -1, -1)
"""Writes at least once: a repeat stays."""


class Broker:
    """A connection to the brokers, for a few topics, from `open` to `close`."""

    def __init__(self, settings: Settings, topics: Iterable[str]) -> None:
        self._seconds_max = settings.kafka.request_timeout_seconds
        self._settings = settings
        self._topics = list(topics)
        self.client: Any = None

    async def open(self) -> None:
        """Connect, and learn who leads which partition.

        Raises:
            KafkaError, TimeoutError: No broker answers.
        """
        opening = asyncio.create_task(self._open())
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            # Interrupted, aiokafka would lose a connection that it has just made.
            await asyncio.wait({opening}, timeout=CANCEL_SECONDS_MAX)
            raise

    async def _open(self) -> None:
        self.client = AIOKafkaClient(**connections.kafka_options(self._settings))
        async with asyncio.timeout(self._seconds_max):
            await self.client.bootstrap()
            await self.client.set_topics(self._topics)

    async def close(self) -> None:
        """Disconnect; what was not acknowledged may or may not have been written."""
        if self.client:
            await self.client.close()

    async def append(
        self,
        place: TopicPartition,
        values: Sequence[bytes],
        writer: Writer = NOBODY,
        guard: Callable[[], None] = lambda: None,
    ) -> int:
        """Write values as one batch, all or none; return the offset of the first.

        Args:
            place: Where.
            values: At least one, together not above the topic's largest batch.
            writer: By whom.
            guard: Called before each try; what it raises ends them.

        Raises:
            KafkaError, TimeoutError: Not known to be written.
        """
        batch = _batch(values, writer)

        async def work() -> int:
            guard()
            return await self._produce(place, batch)

        return await self.persist(work)

    async def persist(self, work: Callable[[], Awaitable[T]]) -> T:
        """Try until it works, or as long as one request may take."""
        patience = AsyncRetrying(
            retry=retry_if_exception(_may_pass),
            wait=wait_random_exponential(multiplier=0.1, max=BACK_OFF_SECONDS_MAX),
            stop=stop_after_delay(self._seconds_max),
            before_sleep=self._refresh,
            reraise=True,
        )
        result: T = await patience(work)
        return result

    async def _produce(self, place: TopicPartition, batch: bytes) -> int:
        leader = self.client.cluster.leader_for_partition(place)
        if leader in {None, -1}:
            raise LeaderNotAvailableError
        request = ProduceRequest(
            transactional_id=None,
            required_acks=-1,
            timeout=int(self._seconds_max * 1_000),
            topics=[(place.topic, [(place.partition, batch)])],
        )
        answer = await self.client.send(leader, request)
        _, code, offset, *_ = answer.topics[0][1][0]
        error = for_code(code)
        # A repeat whose first try had been written is no error: it is there once.
        if error is not NoError and error is not DuplicateSequenceNumber:
            raise error
        return int(offset)

    async def _refresh(self, _: RetryCallState) -> None:
        async with asyncio.timeout(self._seconds_max):
            await self.client.force_metadata_update()


def _batch(values: Sequence[bytes], writer: Writer) -> bytes:
    builder = DefaultRecordBatchBuilder(
        BATCH_MAGIC,
        UNCOMPRESSED,
        is_transactional=0,
        producer_id=writer.producer_id,
        producer_epoch=writer.epoch,
        base_sequence=writer.sequence,
        batch_size=EVENT_BYTES_MAX,
    )
    milliseconds = int(time() * 1_000)
    for number, value in enumerate(values):
        if builder.append(number, milliseconds, None, value, []) is None:
            raise RecordTooLargeError(f"{len(values)} values in one batch")
    return bytes(builder.build())


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, KafkaError):
        return error.retriable or isinstance(error, ConcurrentTransactions)
    return isinstance(error, OSError | TimeoutError)


class Kafka:
    """Sends what keeps no order, dead letters and weather, at least once."""

    def __init__(self, settings: Settings, topics: Iterable[Topic]) -> None:
        self._settings = settings
        self._topics = [topic.name for topic in topics]
        self._broker: Broker | None = None
        self._opening = asyncio.Lock()

    async def close(self) -> None:
        """Disconnect; whoever sends has awaited the acknowledgements already."""
        broker, self._broker = self._broker, None
        if broker:
            await broker.close()

    async def send(self, values: Iterable[Value]) -> None:
        """Send values, and wait until the broker has them all.

        Raises:
            KafkaError, TimeoutError: Some may not be there: send them all again.
        """
        by_place: dict[TopicPartition, list[list[bytes]]] = defaultdict(lambda: [[]])
        for topic, partition, value in values:
            batches = by_place[TopicPartition(topic.name, partition)]
            if sum(map(len, batches[-1])) + len(value) > EVENT_BYTES_MAX // 2:
                batches.append([])
            batches[-1].append(value)
        broker = await self._opened()
        try:
            await asyncio.gather(
                *(
                    broker.append(place, batch)
                    for place, batches in by_place.items()
                    for batch in batches
                    if batch
                )
            )
        except (KafkaError, TimeoutError):
            if self._broker is broker:
                await self.close()
            raise

    async def _opened(self) -> Broker:
        async with self._opening:
            if self._broker is None:
                broker = Broker(self._settings, self._topics)
                try:
                    await broker.open()
                except BaseException:
                    await broker.close()
                    raise
                self._broker = broker
            return self._broker
