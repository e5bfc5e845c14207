"""The JetStream stream of raw messages, its consumers, and what may leave it."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    ConsumerInfo,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    SubjectTransform,
)
from nats.js.errors import NotFoundError

from app.errors import SmartMeterError
from app.topology import Topology

__all__ = [
    "OTHERS",
    "StreamMissing",
    "StreamRestarted",
    "ensure_others_consumer",
    "ensure_stream",
    "lane_consumer",
    "purge_carried",
    "renew_lane_consumer",
]

OTHERS = "others"
# A lane never rests on redelivery: after any break it has a fresh consumer.
LANE_ACK_WAIT_SECONDS = 600.0
OTHERS_ACK_WAIT_SECONDS = 10.0

Carried = Callable[[], Awaitable[int]]

logger = logging.getLogger(__name__)


class StreamRestarted(SmartMeterError):
    """The stream counts from an earlier number than Kafka has seen.

    Only a person can mend that; the lane waits and says so.
    """

    retriable = True


class StreamMissing(SmartMeterError):
    """Somebody deleted the stream; a new session makes it anew."""

    retriable = True


def stream_config(topology: Topology) -> StreamConfig:
    """Return the stream's configuration.

    A full stream refuses new messages, which their publisher sees, and drops no old
    one; the bridge purges what Kafka has.
    """
    settings = topology.settings.nats
    partition = f"{{{{partition({topology.lanes},1,2)}}}}"
    key = ".".join(f"{{{{wildcard({number})}}}}" for number in (1, 2, 3))
    return StreamConfig(
        name=topology.stream,
        subjects=[f"{topology.subject}.>"],
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.NEW,
        storage=StorageType.FILE,
        max_bytes=settings.stream_bytes_max,
        max_msg_size=settings.message_bytes_max,
        num_replicas=settings.replicas,
        duplicate_window=120,
        subject_transform=SubjectTransform(
            src=f"{topology.subject}.data.*.*.*",
            dest=f"{topology.lane_subject}.{partition}.{key}",
        ),
    )


async def ensure_stream(
    jetstream: JetStreamContext, topology: Topology, *, carried: Carried | None = None
) -> None:
    """Create the stream, or bring its limits up to date.

    A new stream counts on from what Kafka has: readings are known by their sequence, so
    that one which began at 1 again would be taken for what has been seen.

    Args:
        jetstream: Of a connected client.
        topology: The names.
        carried: Returns the last sequence that Kafka has; without it, a new stream
            begins at 1.
    """
    config = stream_config(topology)
    try:
        await jetstream.stream_info(topology.stream)
    except NotFoundError:
        first = 1 + (await carried() if carried else 0)
        if first > 1:
            logger.warning("A new stream %s begins at %s.", topology.stream, first)
            config = config.evolve(first_seq=first)
        await jetstream.add_stream(config)
    else:
        await jetstream.update_stream(config)


def lane_consumer(lane: int) -> str:
    """Return the name of a lane's consumer."""
    return f"lane-{lane}"


async def renew_lane_consumer(
    jetstream: JetStreamContext,
    topology: Topology,
    lane: int,
    *,
    after: int,
    ack_pending_max: int,
) -> ConsumerInfo:
    """Return a fresh consumer of a lane that begins behind a stream sequence.

    Kafka knows what has been written, so the consumer remembers nothing that is worth
    keeping. A fresh one delivers in order, which a used one does not once a connection
    was lost: it brings what was lost behind what is newer.

    Raises:
        StreamMissing: There is no stream.
        StreamRestarted: The stream ends before that sequence.
        nats.errors.Error: The server does not answer, or refuses.
    """
    try:
        reached = (await jetstream.stream_info(topology.stream)).state.last_seq
    except NotFoundError:
        raise StreamMissing(f"the stream {topology.stream} is gone") from None
    if reached < after:
        raise StreamRestarted(
            f"the stream {topology.stream} has come to {reached}, but Kafka has lane"
            f" {lane} up to {after}: it was made anew or restored, and its readings"
            " would be taken for old ones. Stop what publishes, and delete the stream"
            " (`nats stream rm`): the bridge makes one that counts on"
        )
    name = lane_consumer(lane)
    with suppress(NotFoundError):
        await jetstream.delete_consumer(topology.stream, name)
    return await jetstream.add_consumer(
        topology.stream,
        ConsumerConfig(
            durable_name=name,
            filter_subject=f"{topology.lane_subject}.{lane}.>",
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=after + 1,
            ack_policy=AckPolicy.ALL,
            ack_wait=LANE_ACK_WAIT_SECONDS,
            max_ack_pending=ack_pending_max,
            num_replicas=topology.settings.nats.replicas,
        ),
    )


async def ensure_others_consumer(
    jetstream: JetStreamContext, topology: Topology, *, ack_pending_max: int
) -> ConsumerInfo:
    """Return the consumer of what is in no lane; it remembers what it has brought."""
    return await jetstream.add_consumer(
        topology.stream,
        ConsumerConfig(
            durable_name=OTHERS,
            filter_subject=f"{topology.subject}.>",
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=OTHERS_ACK_WAIT_SECONDS,
            max_ack_pending=ack_pending_max,
            num_replicas=topology.settings.nats.replicas,
        ),
    )


async def purge_carried(jetstream: JetStreamContext, topology: Topology) -> int:
    """Purge the part of the stream that every consumer has had acknowledged.

    Returns:
        The first sequence that stays; 0 when nothing may go yet.
    """
    last = (await jetstream.stream_info(topology.stream)).state.last_seq
    floors = []
    for name in [OTHERS, *map(lane_consumer, range(topology.lanes))]:
        try:
            info = await jetstream.consumer_info(topology.stream, name)
        except NotFoundError:
            return 0
        idle = not info.num_pending and not info.num_ack_pending
        floor = info.ack_floor.stream_seq if info.ack_floor else 0
        floors.append(last if idle else floor or 0)
    first = min(floors) + 1
    if first > 1:
        await jetstream.purge_stream(topology.stream, seq=first)
    return first if first > 1 else 0
