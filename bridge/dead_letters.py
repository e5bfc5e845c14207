"""Dead letters as a person handles them: read, found again, sent again, marked.

A letter that is sent again is marked in the same topic, behind it. The mark is written
once NATS has the message; whoever is interrupted in between and tries again within two
minutes sends nothing twice, because JetStream knows the message by the letter's name.
"""

import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from app import connections
from app.connections import NatsClient
from app.errors import RejectedMessage, SmartMeterError
from app.topology import Topology
from app.wire.events import DeadLetter, decode_dead_letter, decode_event, encode_event
from bridge.kafka import Kafka

__all__ = ["Found", "LetterNotFound", "NotReplayable", "find", "newest", "replay"]

RECORDS_READ_AT_ONCE = 500
REPEATS_KNOWN_MAX = 200_000
PATIENCE_SECONDS = 10.0
PARTITION = 0

Wanted = Callable[[DeadLetter], bool]


class LetterNotFound(SmartMeterError):
    """No dead letter has that name."""


class NotReplayable(SmartMeterError):
    """The letter did not come from NATS, so it cannot go back there."""


@dataclass(slots=True)
class Found:
    """The newest letters that were wanted, and what there is beside them.

    letters is by identity, the newest last; replayed has the time of the last mark,
    epoch seconds; reasons counts all that were wanted, not only the newest.
    """

    letters: OrderedDict[str, DeadLetter] = field(default_factory=OrderedDict)
    replayed: dict[str, float] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0


async def find(topology: Topology, wanted: Wanted, *, most: int) -> Found:
    """Return the newest wanted letters, each once.

    Raises:
        KafkaError, TimeoutError: The broker does not answer.
    """
    found = Found()
    known: OrderedDict[str, None] = OrderedDict()
    async for value in _values(topology):
        try:
            letter = _letter_or_mark(value, found)
        except RejectedMessage:
            found.unreadable += 1
            continue
        if letter is None or letter.identity in known or not wanted(letter):
            continue
        known[letter.identity] = None
        if len(known) > REPEATS_KNOWN_MAX:
            known.popitem(last=False)
        found.reasons[letter.reason.value] += 1
        found.letters[letter.identity] = letter
        if len(found.letters) > most:
            found.letters.popitem(last=False)
    found.replayed = {k: at for k, at in found.replayed.items() if k in found.letters}
    return found


def _letter_or_mark(value: bytes | None, found: Found) -> DeadLetter | None:
    fields = decode_event(value)
    if "replayed" in fields:
        found.replayed[str(fields["replayed"])] = float(fields["at"])
        return None
    return decode_dead_letter(value)


async def newest(topology: Topology, most: int) -> list[DeadLetter]:
    """Return the letters among the newest records, in the order of their writing.

    Raises:
        KafkaError, TimeoutError: The broker does not answer.
    """
    letters = []
    async for value in _values(topology, most):
        with suppress(RejectedMessage):  # of another build, or a mark
            letters.append(decode_dead_letter(value))
    return letters


async def _values(topology: Topology, most: int | None = None) -> AsyncIterator[bytes]:
    consumer: Any = AIOKafkaConsumer(
        **connections.kafka_options(topology.settings), enable_auto_commit=False
    )
    place = TopicPartition(topology.dead_letters.name, PARTITION)
    try:
        await consumer.start()
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        begin = (await consumer.beginning_offsets([place]))[place]
        consumer.seek(place, begin if most is None else max(begin, end - most))
        heard_at = time.monotonic()
        while await consumer.position(place) < end:
            records = await consumer.getmany(
                place, timeout_ms=1_000, max_records=RECORDS_READ_AT_ONCE
            )
            for record in records.get(place, []):
                heard_at = time.monotonic()
                yield record.value
            if time.monotonic() - heard_at > PATIENCE_SECONDS:
                raise TimeoutError("Kafka does not send the rest of the dead letters")
    finally:
        await consumer.stop()


async def replay(
    topology: Topology, letters: Iterable[DeadLetter], *, payload: bytes | None = None
) -> AsyncIterator[tuple[DeadLetter, int]]:
    """Send letters to NATS again on the subject they came on, and mark each.

    Args:
        topology: The names.
        letters: In the order in which they are to be sent.
        payload: What is sent in place of the original.

    Yields:
        Each letter with the stream sequence that it has now.

    Raises:
        NotReplayable: One did not come from the stream.
        NatsUnavailable, nats.errors.Error: NATS does not answer, or refuses.
        KafkaError, TimeoutError: A mark could not be written.
    """
    client, kafka = NatsClient(), Kafka(topology.settings, [topology.dead_letters])
    try:
        await connections.connect_nats(
            client, topology.settings, name=f"{topology.settings.namespace}-replay"
        )
        jetstream = client.jetstream(timeout=PATIENCE_SECONDS)
        for letter in letters:
            if letter.stream != topology.stream:
                raise NotReplayable(
                    f"{letter.identity} came from {letter.stream}, not from NATS"
                )
            sent = letter if payload is None else replace(letter, payload=payload)
            ack = await jetstream.publish(
                topology.published_subject(letter.subject),
                sent.payload,
                headers={"Nats-Msg-Id": f"replay-{letter.identity}-{sent.identity}"},
            )
            mark = {
                "replayed": letter.identity,
                "at": time.time(),
                "stream": ack.stream,
                "sequence": ack.seq,
            }
            await kafka.send([(topology.dead_letters, PARTITION, encode_event(mark))])
            yield letter, ack.seq
    finally:
        await kafka.close()
        await client.close()
