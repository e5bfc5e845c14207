"""One consumer's messages, pulled in order; a break in the order ends the reading.

Requests overlap, and all answers come through one inbox. Messages are numbered by the
server for each consumer: a number that does not follow the last one means that messages
were lost on the way to us (they will come again, but behind newer ones), so the reading
ends with OrderBroken and the lane begins anew behind what Kafka has.
"""

import asyncio
import time
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import orjson
from nats.js.api import ConsumerInfo
from numpy.typing import NDArray

from app.errors import SmartMeterError
from app.wire.raw import RawColumns
from bridge.deliveries import read_deliveries
from bridge.link import Inbox, Link

__all__ = ["OrderBroken", "Pull", "Pulled"]

EXPIRES_SECONDS = 5.0
HEARTBEAT_SECONDS = 1.0
FRESH_SECONDS_MAX = 2.5 * HEARTBEAT_SECONDS
SILENCE_SECONDS_MAX = 10.0
PER_SECOND = 1_000_000_000


class OrderBroken(SmartMeterError):
    """The lane's messages no longer follow each other; begin it anew."""

    retriable = True


class Pulled(NamedTuple):
    """Messages in the order of the stream, and the subjects that acknowledge them."""

    messages: RawColumns
    replies: tuple[bytes, ...]


NOTHING = Pulled(RawColumns((), (), np.empty(0, np.int64), np.empty(0)), ())


class Pull:
    """Keeps up to `ahead` messages requested from a consumer.

    pending is how many more messages the server holds for it, as of the last message.
    ordered says that a break in the server's numbering ends the reading.
    """

    def __init__(
        self, link: Link, info: ConsumerInfo, *, ahead: int, ordered: bool = True
    ) -> None:
        stream, consumer = info.stream_name, info.name
        self._link = link
        self._ordered = ordered
        self._request_subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._reply = link.new_inbox()
        self._ahead = ahead
        self._inbox = Inbox(self._on_status)
        self._number = 0
        self._asked = 0
        self._taken = 0
        self._consumer_sequence = 0
        self._heard_at = time.monotonic()
        self._wake = asyncio.Event()
        self._broken = ""
        self.pending = info.num_pending or 0

    async def __aenter__(self) -> Self:
        self._number = await self._link.open_inbox(self._reply, self._inbox)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._link.close_inbox(self._number)

    @property
    def is_drained(self) -> bool:
        """Whether the server has said, just now, that it has nothing more for us."""
        fresh = time.monotonic() - self._heard_at < FRESH_SECONDS_MAX
        return fresh and not self.pending and not self._inbox.messages

    @property
    def waiting(self) -> int:
        """Messages that have arrived here and not been taken yet."""
        return len(self._inbox.messages)

    def break_off(self, why: str) -> None:
        """End the reading at its next step."""
        self._broken = self._broken or why
        self._wake.set()

    async def take(
        self, most: int, *, first_seconds: float, more_seconds: float
    ) -> Pulled:
        """Return up to `most` messages.

        Waits up to first_seconds for a first message, and from then on more_seconds
        for others. There may be none.

        Raises:
            OrderBroken: Messages were lost on the way, or the server fell silent.
        """
        await self._request()
        if await self._arrived(1, first_seconds):
            await self._arrived(most, more_seconds)
        self._check()
        messages = self._inbox.messages[:most]
        if not messages:
            return NOTHING
        del self._inbox.messages[:most]
        self._taken += len(messages)
        self._heard_at = time.monotonic()
        subjects, replies, payloads = zip(*messages, strict=True)
        try:
            said = read_deliveries(replies)
        except ValueError as error:
            raise OrderBroken(f"a message without its numbers: {error}") from None
        self.pending = said.pending
        if self._ordered:
            self._check_order(said.consumer_sequence)
        columns = RawColumns(subjects, payloads, said.sequence, said.arrival)
        return Pulled(columns, replies)

    def _check(self) -> None:
        if not self._link.is_connected:
            raise OrderBroken("the connection to NATS is lost")
        if self._broken:
            raise OrderBroken(self._broken)
        silence = time.monotonic() - self._heard_at
        if silence > SILENCE_SECONDS_MAX and not self._inbox.messages:
            raise OrderBroken("the server does not answer pull requests")

    def _check_order(self, numbers: NDArray[np.int64]) -> None:
        before = self._consumer_sequence
        expected = np.arange(before + 1, before + 1 + len(numbers))
        wrong = np.flatnonzero(numbers != expected)
        if len(wrong):
            at = int(wrong[0])
            raise OrderBroken(f"message {numbers[at]} came instead of {expected[at]}")
        self._consumer_sequence = int(numbers[-1])

    async def _arrived(self, count: int, seconds: float) -> bool:
        """Wait until so many messages are there, or until it is of no use."""
        if len(self._inbox.messages) >= count:
            return True
        self._wake.clear()
        self._inbox.call_at(count, self._wake.set)
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return False
        return len(self._inbox.messages) >= count

    async def _request(self) -> None:
        here = len(self._inbox.messages)
        expected = self._asked - self._taken - here
        free = self._ahead - expected - here
        if free < self._ahead // 2:
            return
        if not expected:
            self._heard_at = time.monotonic()  # nothing was due before this request
        self._asked += free
        request = {
            "batch": free,
            "expires": int(EXPIRES_SECONDS * PER_SECOND),
            "idle_heartbeat": int(HEARTBEAT_SECONDS * PER_SECOND),
        }
        await self._link.publish(
            self._request_subject, orjson.dumps(request), reply=self._reply
        )

    def _on_status(self, header: bytes) -> None:
        status, *lines = header.decode(errors="replace").split("\r\n")
        code, _, text = status.removeprefix("NATS/1.0").strip().partition(" ")
        self._heard_at = time.monotonic()
        if code in {"404", "408"}:  # a request has ended before it was filled
            for line in lines:
                name, _, value = line.partition(":")
                if name == "Nats-Pending-Messages" and value.strip().isdigit():
                    self._asked -= int(value)
            self._wake.set()
        elif code != "100":
            self.break_off(f"the server ended the pull: {code} {text}")
