"""A look at the bridges from outside: the stream, the lanes and who carries them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import nats.errors
import orjson
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

    stored and stored_max are the stream's bytes; waiting, carried and waiting_since, by
    lane, are messages that wait, the last sequence that is acknowledged, and when the
    first one that waits was stored. stream tells whether there is one. server_time is
    NATS's clock, last_time when the newest message was stored (0: none was).
    """

    stream: bool
    stored: int
    stored_max: int
    waiting: Mapping[int, int]
    carried: Mapping[int, int]
    roster: Roster
    waiting_since: Mapping[int, float] = field(default_factory=dict)
    last_sequence: int = 0
    last_time: float = 0.0
    server_time: float = 0.0

    @classmethod
    async def take(cls, topology: Topology, *, dated: bool = False) -> "Survey":
        """Ask NATS; dated: also since when messages wait.

        Raises:
            AccessDenied, NatsUnavailable: It refuses, or does not answer.
            nats.errors.Error: JetStream does not answer.
        """
        client = NatsClient()
        try:
            await connections.connect_nats(
                client, topology.settings, name=f"{topology.settings.namespace}-check"
            )
            info = await _stream(client, topology)
            if info is None:
                return NOTHING
            state = info["state"]
            waiting, carried = await _lanes(client, topology)
            since = {}
            if dated:
                since = await _waiting_since(client, topology, waiting, carried)
            return cls(
                stream=True,
                stored=state["bytes"],
                stored_max=max(0, info["config"].get("max_bytes", 0)),
                waiting=waiting,
                carried=carried,
                waiting_since=since,
                roster=await _roster(client, topology),
                last_sequence=state["last_seq"],
                last_time=_epoch(state["last_ts"]) if state["last_seq"] else 0.0,
                server_time=_epoch(info["ts"]),
            )
        finally:
            await client.close()


NOTHING = Survey(
    stream=False, stored=0, stored_max=0, waiting={}, carried={}, roster=Roster()
)


async def _stream(client: NatsClient, topology: Topology) -> dict[str, Any] | None:
    """Return what JetStream says of the stream, its own clock included."""
    subject = f"$JS.API.STREAM.INFO.{topology.stream}"
    answer = await client.request(subject, timeout=ANSWER_SECONDS_MAX)
    info: dict[str, Any] = orjson.loads(answer.data)
    if "error" not in info:
        return info
    if info["error"]["code"] == 404:
        return None
    raise nats.errors.Error(info["error"].get("description", "JetStream refuses"))


async def _lanes(
    client: NatsClient, topology: Topology
) -> tuple[dict[int, int], dict[int, int]]:
    jetstream = client.jetstream(timeout=ANSWER_SECONDS_MAX)
    waiting, carried = {}, {}
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
    return waiting, carried


async def _waiting_since(
    client: NatsClient,
    topology: Topology,
    waiting: Mapping[int, int],
    carried: Mapping[int, int],
) -> dict[int, float]:
    since = {}
    for lane in (lane for lane, count in waiting.items() if count):
        answer = await client.request(
            f"$JS.API.STREAM.MSG.GET.{topology.stream}",
            orjson.dumps(
                {
                    "seq": carried[lane] + 1,
                    "next_by_subj": f"{topology.lane_subject}.{lane}.>",
                }
            ),
            timeout=ANSWER_SECONDS_MAX,
        )
        message = orjson.loads(answer.data).get("message")
        if message:  # else it was carried and purged in the meantime
            since[lane] = _epoch(message["time"])
    return since


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


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
