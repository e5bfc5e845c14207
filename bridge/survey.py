"""A look at the bridges from outside: the stream, the lanes and who carries them."""

from collections.abc import Mapping
from dataclasses import dataclass

from nats.js.errors import BucketNotFoundError, KeyNotFoundError, NotFoundError

from app import connections
from app.connections import NatsClient
from app.topology import Topology
from bridge.membership import KEY
from bridge.roster import Roster
from bridge.stream import lane_consumer

__all__ = ["Survey", "trouble_of_bridges", "trouble_of_lanes", "trouble_of_stream"]

ANSWER_SECONDS_MAX = 5.0
NEARLY_FULL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What NATS says at one moment.

    stored and stored_max are the stream's bytes; waiting and carried, by lane, are
    messages that wait and the last sequence that is acknowledged. stream tells whether
    there is one.
    """

    stream: bool
    stored: int
    stored_max: int
    waiting: Mapping[int, int]
    carried: Mapping[int, int]
    roster: Roster

    @classmethod
    async def take(cls, topology: Topology) -> "Survey":
        """Ask NATS.

        Raises:
            AccessDenied, NatsUnavailable: It refuses, or does not answer.
            nats.errors.Error: JetStream does not answer.
        """
        client = NatsClient()
        try:
            await connections.connect_nats(
                client, topology.settings, name=f"{topology.settings.namespace}-check"
            )
            jetstream = client.jetstream(timeout=ANSWER_SECONDS_MAX)
            waiting, carried = {}, {}
            try:
                info = await jetstream.stream_info(topology.stream)
            except NotFoundError:
                return cls(
                    stream=False,
                    stored=0,
                    stored_max=0,
                    waiting={},
                    carried={},
                    roster=Roster(),
                )
            for lane in range(topology.lanes):
                try:
                    consumer = await jetstream.consumer_info(
                        topology.stream, lane_consumer(lane)
                    )
                except NotFoundError:
                    continue
                floor = consumer.ack_floor
                carried[lane] = (floor.stream_seq or 0) if floor else 0
                unacknowledged = consumer.num_ack_pending or 0
                waiting[lane] = (consumer.num_pending or 0) + unacknowledged
            return cls(
                stream=True,
                stored=info.state.bytes,
                stored_max=info.config.max_bytes or 0,
                waiting=waiting,
                carried=carried,
                roster=await _roster(client, topology),
            )
        finally:
            await client.close()


async def _roster(client: NatsClient, topology: Topology) -> Roster:
    jetstream = client.jetstream(timeout=ANSWER_SECONDS_MAX)
    try:
        bucket = await jetstream.key_value(topology.bridge_bucket)
        entry = await bucket.get(KEY)
    except (BucketNotFoundError, KeyNotFoundError):
        return Roster()
    return Roster.decode(entry.value)


def trouble_of_stream(survey: Survey) -> str:
    """Return what is wrong with the stream; empty if nothing is."""
    if not survey.stream:
        return (
            "there is no stream: start a bridge (`smartmeter bridge`), which makes it"
        )
    if survey.stored_max and survey.stored > NEARLY_FULL * survey.stored_max:
        return (
            f"the stream is full ({survey.stored:,} of {survey.stored_max:,} bytes) and"
            " refuses readings: is the bridge carrying, or is"
            " SMARTMETER_NATS__STREAM_BYTES_MAX too small?"
        )
    return ""


def trouble_of_bridges(before: Survey, after: Survey, lanes: int) -> str:
    """Return what is wrong with the bridges between two looks; empty if nothing is."""
    beats = {name: (m.life, m.beat) for name, m in before.roster.members.items()}
    alive = {
        name
        for name, member in after.roster.members.items()
        if beats.get(name) != (member.life, member.beat)
    }
    if not alive:
        return "no bridge runs: start one (`smartmeter bridge`)"
    unowned = [n for n in range(lanes) if after.roster.owners.get(n) not in alive]
    if unowned:
        return (
            f"nobody carries lanes {unowned}: bridges are {', '.join(sorted(alive))};"
            " they take a dead one's lanes within seconds, unless --lanes forbids it"
        )
    return ""


def trouble_of_lanes(before: Survey, after: Survey) -> str:
    """Return which lanes have messages and do not move; empty if all move."""
    stuck = {
        lane: count
        for lane, count in after.waiting.items()
        if count
        and before.waiting.get(lane)
        and before.carried.get(lane) == after.carried.get(lane)
    }
    if not stuck:
        return ""
    waiting = ", ".join(f"{lane} ({count:,})" for lane, count in sorted(stuck.items()))
    return f"messages wait and do not move in lanes {waiting}: see /ready of the bridge"
