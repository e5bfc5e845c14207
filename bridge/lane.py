"""One consumer's messages, pulled in order; a break in the order ends the reading.

nats-py's own pull asks anew for each batch and waits; here requests overlap, and all
answers come through one inbox. Messages are numbered by the server for each consumer:
a number that does not follow the last one means that messages were lost on the way to
us (they will come again, but behind newer ones), so the reading ends with OrderBroken
and the lane begins anew behind what Kafka has.
"""

import asyncio
import time
from types import TracebackType
from typing import Any, Self

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ConsumerInfo

from app.errors import SmartMeterError
from app.wire.meter import RawMessage

__all__ = ["Batch", "OrderBroken", "Pull"]

EXPIRES_SECONDS = 5.0
SILENCE_SECONDS_MAX = 15.0
REPLY_TOKENS = (
    9  # $JS.ACK.<stream>.<consumer>.<delivered>.<seq>.<cseq>.<time>.<pending>
)
NANOSECONDS = 1e-9
Batch = list[RawMessage]


class OrderBroken(SmartMeterError):
    """The lane's messages no longer follow each other; begin it anew."""

    retriable = True


class Pull:
    """Keeps up to `ahead` messages requested from a consumer.

    pending is how many more messages the server holds for it, as of the last message.
    ordered says that a break in the server's numbering ends the reading.
    """

    def __init__(
        self,
        client: Client,
        info: ConsumerInfo,
        *,
        ahead: int,
        ordered: bool = True,
    ) -> None:
        stream, consumer = info.stream_name, info.name
        self._client = client
        self._ordered = ordered
        self._request_subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._inbox = client.new_inbox()
        self._ahead = ahead
        self._requested = 0
        self._messages: Batch = []
        self._replies: list[str] = []
        self._consumer_sequence = 0
        self._heard_at = time.monotonic()
        self._wake = asyncio.Event()
        self._subscription: Any = None
        self._broken = ""
        self.pending = info.num_pending or 0

    async def __aenter__(self) -> Self:
        self._subscription = await self._client.subscribe(
            self._inbox,
            cb=self._on_message,
            pending_msgs_limit=2 * self._ahead + 1_000,
            pending_bytes_limit=1 << 30,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._client.is_closed:
            await self._subscription.unsubscribe()

    @property
    def is_drained(self) -> bool:
        """Whether everything that the server has for this consumer has been taken."""
        return not self.pending and not self._messages

    @property
    def taken(self) -> int:
        """Messages that have arrived here and not been taken yet."""
        return len(self._messages)

    def break_off(self, why: str) -> None:
        """End the reading at its next step."""
        self._broken = why
        self._wake.set()

    async def take(
        self, most: int, *, first_seconds: float, more_seconds: float
    ) -> tuple[Batch, list[str]]:
        """Return up to `most` messages, and the subjects that acknowledge them.

        Waits up to first_seconds for a first message, and from then on more_seconds
        for others. The batch may be empty.

        Raises:
            OrderBroken: Messages were lost on the way, or the server fell silent.
        """
        await self._request()
        if not self._messages:
            await self._woken(first_seconds)
        deadline = time.monotonic() + more_seconds
        while 0 < len(self._messages) < most and not self._broken:
            left = deadline - time.monotonic()
            if left <= 0 or not await self._woken(left):
                break
        if self._broken:
            raise OrderBroken(self._broken)
        if self._requested and (
            time.monotonic() - self._heard_at > SILENCE_SECONDS_MAX
        ):
            raise OrderBroken("the server does not answer pull requests")
        batch, self._messages = self._messages[:most], self._messages[most:]
        replies, self._replies = self._replies[:most], self._replies[most:]
        return batch, replies

    async def _woken(self, seconds: float) -> bool:
        self._wake.clear()
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _request(self) -> None:
        free = self._ahead - self._requested - len(self._messages)
        if free < self._ahead // 2 or not self._client.is_connected:
            return
        request = {"batch": free, "expires": int(EXPIRES_SECONDS / NANOSECONDS)}
        self._requested += free
        self._heard_at = time.monotonic()
        await self._client.publish(
            self._request_subject, orjson.dumps(request), reply=self._inbox
        )

    async def _on_message(self, message: Msg) -> None:
        tokens = message.reply.split(".")
        if len(tokens) < REPLY_TOKENS:
            self._on_status(message)
            return
        # With a domain and an account hash the last tokens are still these, one more.
        first = 4 if len(tokens) == REPLY_TOKENS else 6
        _, sequence, consumer_sequence, nanoseconds, pending = tokens[first : first + 5]
        number = int(consumer_sequence)
        if self._ordered and number != self._consumer_sequence + 1:
            self.break_off(f"message {number} follows {self._consumer_sequence}")
        self._consumer_sequence = number
        self._requested -= 1
        self._heard_at = time.monotonic()
        self.pending = int(pending)
        self._messages.append(
            RawMessage(
                message.subject,
                message.data,
                int(sequence),
                int(nanoseconds) * NANOSECONDS,
            )
        )
        self._replies.append(message.reply)
        self._wake.set()

    def _on_status(self, message: Msg) -> None:
        headers = message.headers or {}
        self._heard_at = time.monotonic()
        unused = headers.get("Nats-Pending-Messages")
        status = headers.get("Status", "")
        if unused is not None:  # 408 or 409: a request ended before it was filled
            self._requested = max(0, self._requested - int(unused))
        elif status not in {"100", "404", "408"}:
            description = headers.get("Description", "")
            self.break_off(f"the server ended the pull: {status} {description}")
        self._wake.set()
