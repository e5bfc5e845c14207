"""Dead letters as a person handles them: read, found again, sent again, marked.

Sending one again leaves two marks in the same topic, behind the letter: one before it
is sent, and one once NATS has it. Whoever is interrupted in between and tries again
sends nothing twice: JetStream knows the message by its name for two minutes, and later
it is looked for in the stream; what cannot be found out is left to a person.
"""

import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from app import connections
from app.errors import RejectedMessage, SmartMeterError
from app.topology import Topology
from app.wire.events import DeadLetter, decode_dead_letter, decode_event

__all__ = ["Begun", "Found", "LetterNotFound", "find", "newest"]

RECORDS_READ_AT_ONCE = 500
REPEATS_KNOWN_MAX = 200_000
PATIENCE_SECONDS = 10.0
PARTITION = 0

Wanted = Callable[[DeadLetter], bool]


class LetterNotFound(SmartMeterError):
    """No dead letter has that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A mark of what is about to be sent: as which message, behind which sequence."""

    at: float
    message: str
    after: int


@dataclass(slots=True)
class Found:
    """The newest letters that were wanted, and what there is beside them.

    letters is by identity, the newest last; replayed has the time of the last mark,
    epoch seconds; begun has those that were to be sent again, and whose sending was
    never marked; reasons counts all that were wanted, not only the newest.
    """

    letters: OrderedDict[str, DeadLetter] = field(default_factory=OrderedDict)
    replayed: dict[str, float] = field(default_factory=dict)
    begun: dict[str, Begun] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0


async def find(topology: Topology, wanted: Wanted, *, most: int) -> Found:
    """Return the newest wanted letters, each once.

    Raises:
        AccessDenied, KafkaUnavailable: No broker answers, or one refuses us.
        KafkaError, TimeoutError: The broker does not answer any more.
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
    found.begun = {k: it for k, it in found.begun.items() if k in found.letters}
    return found


def _letter_or_mark(value: bytes | None, found: Found) -> DeadLetter | None:
    fields = decode_event(value)
    if "replaying" in fields:
        found.begun[str(fields["replaying"])] = Begun(
            at=float(fields["at"]),
            message=str(fields["message"]),
            after=int(fields["after"]),
        )
        return None
    if "replayed" in fields:
        found.replayed[str(fields["replayed"])] = float(fields["at"])
        found.begun.pop(str(fields["replayed"]), None)
        return None
    return decode_dead_letter(value)


async def newest(topology: Topology, most: int) -> list[DeadLetter]:
    """Return the letters among the newest records, in the order of their writing.

    Raises:
        AccessDenied, KafkaUnavailable: No broker answers, or one refuses us.
        KafkaError, TimeoutError: The broker does not answer any more.
    """
    letters = []
    async for value in _values(topology, most):
        with suppress(RejectedMessage):  # of another build, or a mark
            letters.append(decode_dead_letter(value))
    return letters


async def _values(topology: Topology, most: int | None = None) -> AsyncIterator[bytes]:
    await connections.knock_at_kafka(topology.settings)
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
