"""The log of one lane: its partition of the readings topic, with one writer at a time.

Whoever takes a lane over begins a term: Kafka gives it the next epoch of the lane's
producer id, and its first record, a frame that holds and says nothing, makes the
partition refuse every older epoch. What a former writer still has in flight therefore
lies before that record, where it is seen, or never comes. Only then does the new
writer read where the lane ends. No clock and no lock is trusted for this.

One batch is in flight at a time; what comes after it waits for the broker's word, so
that a failure can never leave a gap.
"""

from collections.abc import Callable, Sequence

from aiokafka.client import ConnectionGroup, CoordinationType
from aiokafka.errors import (
    InvalidProducerEpoch,
    KafkaError,
    NodeNotReadyError,
    NoError,
    TransactionalIdAuthorizationFailed,
    for_code,
)
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.structs import TopicPartition

from app.domain.readings import Readings
from app.domain.windows import NO_TIME
from app.errors import AccessDenied, SmartMeterError
from app.topology import Topology
from app.wire.frames import Frame, encode_frame
from bridge.kafka import NOBODY, Broker, Writer
from bridge.lane_end import LaneEnd, end_before

__all__ = ["LaneLog", "LaneTaken", "term_frame"]

TRANSACTION_MILLISECONDS = 60_000  # asked for by the protocol; there is none
SEQUENCE_MASK = 2**31 - 1


class LaneTaken(SmartMeterError):
    """Another bridge writes the lane now."""

    retriable = True


class LaneLog:
    """The writer of a lane, from `begin` to `close`; broken by any error it raises."""

    def __init__(
        self, topology: Topology, lane: int, guard: Callable[[], None] = lambda: None
    ) -> None:
        """Make a writer; what `guard` raises when asked before each try, ends it."""
        self._topology = topology
        self._place = TopicPartition(topology.readings.name, lane)
        self._guard = guard
        self._broker = Broker(topology.settings, [topology.readings.name])
        self._writer = NOBODY

    async def begin(self) -> LaneEnd:
        """Connect, shut every other writer out, and return where the lane ends.

        Raises:
            KafkaError, TimeoutError: The broker does not answer or refuses; begin anew.
            AccessDenied: The broker does not let us be a lane's writer.
            LaneTaken: Another bridge has taken the lane in the meantime.
            LaneUnreadable: A newer build wrote the lane's end.
        """
        self._guard()
        await self._broker.open()
        self._writer = await self._broker.persist(self._next_epoch)
        offset = await self.append([term_frame(self._place.partition)])
        if offset < 0:  # a repeat, so old that the broker has forgotten where it lies
            raise KafkaError("the broker does not say where the term begins")
        return await end_before(self._topology.settings, self._place, offset)

    async def close(self) -> None:
        """Disconnect."""
        await self._broker.close()

    async def append(self, values: Sequence[bytes]) -> int:
        """Write values as one batch, all or none; return the offset of the first.

        Raises:
            KafkaError, TimeoutError: Not known to be written; begin anew.
            LaneTaken: Not written; another bridge writes the lane now.
        """
        writer = self._writer
        try:
            offset = await self._broker.append(self._place, values, writer, self._guard)
        except InvalidProducerEpoch:
            raise LaneTaken(
                f"lane {self._place.partition} is written by another bridge"
            ) from None
        sequence = (writer.sequence + len(values)) & SEQUENCE_MASK
        self._writer = writer._replace(sequence=sequence)
        return offset

    async def _next_epoch(self) -> Writer:
        name = self._topology.lane_writer(self._place.partition)
        client = self._broker.client
        if client.get_random_node() is None:
            raise NodeNotReadyError
        try:
            coordinator = await client.coordinator_lookup(
                CoordinationType.TRANSACTION, name
            )
        except TransactionalIdAuthorizationFailed:
            raise _forbidden(name) from None
        answer = await client.send(
            coordinator,
            InitProducerIdRequest(name, TRANSACTION_MILLISECONDS),
            group=ConnectionGroup.COORDINATION,
        )
        error = for_code(answer.error_code)
        if error is TransactionalIdAuthorizationFailed:
            raise _forbidden(name)
        if error is not NoError:
            raise error
        return Writer(answer.producer_id, answer.producer_epoch, 0)


def _forbidden(name: str) -> AccessDenied:
    return AccessDenied(
        f"Kafka's rules do not let us use the transactional id {name}: see"
        " deploy/privileges"
    )


def term_frame(lane: int) -> bytes:
    """Return the frame that begins a term: it adds nothing and covers no message."""
    return encode_frame(
        Frame(lane=lane, first=0, last=0, watermark=NO_TIME, readings=Readings.empty())
    )
