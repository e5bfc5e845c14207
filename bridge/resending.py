"""Dead letters sent to NATS again, each once, however often that is interrupted."""

import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from typing import Any

from nats.js.errors import NotFoundError

from app import connections
from app.connections import NatsClient
from app.errors import SmartMeterError
from app.topology import Topology
from app.wire.events import DeadLetter, encode_event
from bridge.dead_letters import PARTITION, Begun, Found
from bridge.kafka import Kafka

__all__ = ["NotReplayable", "resend"]

ANSWER_SECONDS_MAX = 10.0
BEGUN_AT_ONCE = 50
KNOWN_SECONDS = 100.0  # JetStream knows a message's name for 120 s
SCANNED_MAX = 10_000
MESSAGE_ID = "Nats-Msg-Id"


class NotReplayable(SmartMeterError):
    """The letter did not come from NATS, so it cannot go back there."""


async def resend(
    topology: Topology,
    found: Found,
    letters: Iterable[DeadLetter],
    *,
    payload: bytes | None = None,
    again: bool = False,
) -> AsyncIterator[tuple[DeadLetter, int | None]]:
    """Send letters to NATS again on the subject they came on, and mark each.

    Args:
        topology: The names.
        found: What is known of them.
        letters: In the order in which they are to be sent.
        payload: What is sent in place of the original.
        again: Also send what was sent before, or may have been.

    Yields:
        Each letter with the stream sequence that it has now; None where an attempt was
        interrupted so long ago that nobody can tell whether it was sent: it is not.

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
        jetstream = client.jetstream(timeout=ANSWER_SECONDS_MAX)
        sender = _Sender(topology, found, jetstream, kafka, payload)
        every = list(letters)
        for at in range(0, len(every), BEGUN_AT_ONCE):
            some = every[at : at + BEGUN_AT_ONCE]
            begun = await sender.begin(some, again=again)
            for letter in some:
                yield letter, await sender.send(letter, begun.get(letter.identity))
    finally:
        await kafka.close()
        await client.close()


class _Sender:
    def __init__(
        self,
        topology: Topology,
        found: Found,
        jetstream: Any,
        kafka: Kafka,
        payload: bytes | None,
    ) -> None:
        self._topology = topology
        self._found = found
        self._jetstream = jetstream
        self._kafka = kafka
        self._payload = payload

    async def begin(
        self, letters: Sequence[DeadLetter], *, again: bool
    ) -> dict[str, Begun]:
        """Mark what is sent for the first time; return by identity what is to be."""
        info = await self._jetstream.stream_info(self._topology.stream)
        begun = {
            letter.identity: Begun(
                at=time.time(), message=self._name(letter), after=info.state.last_seq
            )
            for letter in letters
            if again or letter.identity not in self._found.begun
        }
        await self._kafka.send(
            (
                self._topology.dead_letters,
                PARTITION,
                encode_event(
                    {
                        "replaying": identity,
                        "at": it.at,
                        "message": it.message,
                        "after": it.after,
                    }
                ),
            )
            for identity, it in begun.items()
        )
        return begun

    async def send(self, letter: DeadLetter, begun: Begun | None) -> int | None:
        """Send a letter that was begun now; one begun before, unless it was sent."""
        if begun is None:
            before = self._found.begun[letter.identity]
            sequence, is_sure = await self._stored(letter, before)
            if sequence:
                await self._mark(letter, sequence)
                return sequence
            is_known = before.message == self._name(letter)
            young = time.time() - before.at < KNOWN_SECONDS
            if not is_sure and not (young and is_known):
                return None
            begun = before
        ack = await self._jetstream.publish(
            self._topology.published_subject(letter.subject),
            letter.payload if self._payload is None else self._payload,
            headers={MESSAGE_ID: begun.message},
        )
        await self._mark(letter, ack.seq)
        return int(ack.seq)

    def _name(self, letter: DeadLetter) -> str:
        """Return the message's name: another one each time it was marked as sent."""
        if letter.stream != self._topology.stream:
            raise NotReplayable(
                f"{letter.identity} came from {letter.stream}, not from NATS"
            )
        sent = (
            letter if self._payload is None else replace(letter, payload=self._payload)
        )
        last = self._found.replayed.get(letter.identity, 0.0)
        return f"replay-{letter.identity}-{sent.identity}-{last:.3f}"

    async def _stored(self, letter: DeadLetter, begun: Begun) -> tuple[int, bool]:
        """Look for a message in the stream.

        Returns:
            Its sequence, 0 if it is not there; and whether that is for certain.
        """
        stream, place = self._topology.stream, begun.after
        for _ in range(SCANNED_MAX):
            try:
                message = await self._jetstream.get_msg(
                    stream, seq=place + 1, subject=letter.subject, next=True
                )
            except NotFoundError:
                break
            if (message.headers or {}).get(MESSAGE_ID) == begun.message:
                return int(message.seq), True
            place = int(message.seq)
        else:
            return 0, False
        # Asked last: what was purged while we looked would have been passed over.
        info = await self._jetstream.stream_info(stream)
        return 0, bool(info.state.first_seq <= begun.after + 1)

    async def _mark(self, letter: DeadLetter, sequence: int) -> None:
        mark = {
            "replayed": letter.identity,
            "at": time.time(),
            "stream": self._topology.stream,
            "sequence": sequence,
        }
        value = encode_event(mark)
        await self._kafka.send([(self._topology.dead_letters, PARTITION, value)])
