"""Consumer groups as Kafka knows them: who is in one, and how far it has come."""

import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import orjson
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupIdNotFound,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    for_code,
)
from aiokafka.structs import TopicPartition
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_fixed,
)

from app import connections
from app.topology import Topology

__all__ = ["Groups", "Lag", "Member", "member"]

STAMP_SECONDS_MAX = 3.0
FETCH_MILLISECONDS_MAX = 200
LOADING_SECONDS_MAX, LOADING_PAUSE_SECONDS = 20.0, 0.5
MILLISECONDS = 1_000

LOADING = (
    GroupLoadInProgressError,
    GroupCoordinatorNotAvailableError,
    NotCoordinatorForGroupError,
)
Place = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A process in a group: its web view where it says one, and what it reads."""

    url: str
    host: str
    partitions: Mapping[str, Collection[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far a group has come in a partition.

    waiting_since is when the first record that waits was written, epoch seconds; None
    if none waits, or if the broker did not say in time.
    """

    topic: str
    partition: int
    end: int
    committed: int
    waiting_since: float | None = None

    @property
    def count(self) -> int:
        """Records that wait."""
        return max(0, self.end - self.committed)


class Groups:
    """Asks of groups, over two connections that last as long as the block."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._admin: Any = None
        self._consumer: Any = None

    async def __aenter__(self) -> Self:
        await connections.knock_at_kafka(self._topology.settings)
        options = connections.kafka_options(self._topology.settings)
        self._admin = AIOKafkaAdminClient(**options)
        self._consumer = AIOKafkaConsumer(
            **options,
            enable_auto_commit=False,
            fetch_max_wait_ms=FETCH_MILLISECONDS_MAX,
        )
        try:
            await self._admin.start()
            await self._consumer.start()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._consumer.stop()
        await self._admin.close()

    async def members(self, group: str) -> list[Member]:
        """Return who is in a group; nobody if there is no such group.

        Raises:
            KafkaError: The broker does not answer, or refuses.
        """
        patience = AsyncRetrying(
            retry=retry_if_exception_type(LOADING),
            wait=wait_fixed(LOADING_PAUSE_SECONDS),
            stop=stop_after_delay(LOADING_SECONDS_MAX),
            reraise=True,
        )
        members: list[Any] = await patience(self._members, group)
        return [member(fields) for fields in members]

    async def _members(self, group: str) -> list[Any]:
        (described,) = await self._admin.describe_consumer_groups([group])
        # error, name, state, protocol type, protocol, members, …
        error, _, _, _, _, members, *_ = described.groups[0]
        if error and for_code(error) is not GroupIdNotFound:
            raise for_code(error)(f"group {group}")
        return list(members)

    async def committed(self, group: str) -> dict[Place, int]:
        """Return the offsets that a group has committed.

        Raises:
            KafkaError: The broker does not answer, or refuses.
        """
        # A broker that has just started says, of all groups, that nothing is committed;
        # that it is not ready it says only when asked of the members.
        await self.members(group)
        found = await self._admin.list_consumer_group_offsets(group)
        return {
            (place.topic, place.partition): at.offset
            for place, at in found.items()
            if at.offset >= 0
        }

    async def lags(self, group: str, topics: Collection[str]) -> list[Lag]:
        """Return how far a group has come in those of the topics that it reads.

        Raises:
            KafkaError: The broker does not answer, or refuses.
        """
        committed = await self.committed(group)
        read = {
            (topic, partition)
            for member in await self.members(group)
            for topic, partitions in member.partitions.items()
            for partition in partitions
        }
        places = sorted(p for p in {*committed, *read} if p[0] in topics)
        partitions = [TopicPartition(*place) for place in places]
        if not places:
            return []
        ends = await self._consumer.end_offsets(partitions)
        begins = await self._consumer.beginning_offsets(partitions)
        return [
            Lag(
                topic=place.topic,
                partition=place.partition,
                end=ends[place],
                committed=max(committed.get(tuple(place), 0), begins[place]),
            )
            for place in partitions
        ]

    async def dated(self, lags: Collection[Lag]) -> list[Lag]:
        """Return lags with the time since when something waits, where it is known."""
        first = {
            TopicPartition(lag.topic, lag.partition): lag.committed
            for lag in lags
            if lag.count
        }
        stamps = await self._stamps(first) if first else {}
        return [
            Lag(
                topic=lag.topic,
                partition=lag.partition,
                end=lag.end,
                committed=lag.committed,
                waiting_since=stamps.get((lag.topic, lag.partition)),
            )
            for lag in lags
        ]

    async def _stamps(self, first: Mapping[TopicPartition, int]) -> dict[Place, float]:
        self._consumer.assign(list(first))
        for place, offset in first.items():
            self._consumer.seek(place, offset)
        stamps: dict[Place, float] = {}
        deadline = time.monotonic() + STAMP_SECONDS_MAX
        while len(stamps) < len(first) and time.monotonic() < deadline:
            left = [place for place in first if tuple(place) not in stamps]
            batch = await self._consumer.getmany(
                *left, timeout_ms=FETCH_MILLISECONDS_MAX, max_records=len(left)
            )
            for place, records in batch.items():
                stamps.setdefault(tuple(place), records[0].timestamp / MILLISECONDS)
        return stamps


def member(fields: tuple[str, str, str, bytes, bytes]) -> Member:
    """Return what Kafka says of a member: id, client, host, metadata, assignment."""
    _, _, host, metadata, assignment = fields
    partitions: dict[str, list[int]] = defaultdict(list)
    if assignment:
        decoded = ConsumerProtocolMemberAssignment.decode(assignment)
        for topic, numbers in decoded.assignment:
            partitions[topic] += numbers
    return Member(
        url=_url(metadata), host=host.removeprefix("/"), partitions=partitions
    )


def _url(metadata: bytes) -> str:
    """Return the web view that a Faust worker tells its group, empty for others."""
    if not metadata:
        return ""
    told = ConsumerProtocolMemberMetadata.decode(metadata).user_data
    try:
        return str(orjson.loads(told or b"{}").get("url", ""))
    except (AttributeError, ValueError):
        return ""  # another kind of client
