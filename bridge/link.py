"""A NATS client whose pulled messages take a short road.

nats-py spends about 6 µs of processor time on a message: an object, a queue and a task
for each, and regular expressions over a buffer that it cuts at the front. Here the
bytes of a read are walked once, and the messages of chosen inboxes go to a list, as
bytes. Everything else (requests, pings, errors) is left to nats-py.

One connection, one session: it is never mended, because after a loss every lane begins
anew anyway, and an acknowledgement kept back from before it would be of no use.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from nats.errors import ProtocolError
from nats.protocol.parser import Parser

from app.connections import NatsClient

__all__ = ["Inbox", "Link", "LinkParser", "Packed"]

CRLF = b"\r\n"
LINE_BYTES_MAX = 1 << 16
MESSAGE, MESSAGE_WITH_HEADERS = ord("M"), ord("H")
ACKNOWLEDGEABLE = b"$JS.ACK."


Packed = tuple[bytes, bytes, bytes]
"""Of a message: its subject, the subject that acknowledges it, its payload.

A plain tuple, because a named one costs a tenth of all that a reading costs here.
"""


class Inbox:
    """Where the messages of one pull arrive.

    `messages` is for the reader to take from; `on_status` is called with the header
    lines of what is no message but word of the server about a request.
    """

    def __init__(self, on_status: Callable[[bytes], None]) -> None:
        self.messages: list[Packed] = []
        self.on_status = on_status
        self._enough = 1
        self._call: Callable[[], None] = lambda: None

    def call_at(self, count: int, call: Callable[[], None]) -> None:
        """Have something called, once and soon, when so many messages are there."""
        self._enough = count
        self._call = call

    def arrived(self) -> None:
        """Note that a read has brought messages; the last of them is at the end."""
        if len(self.messages) >= self._enough:
            self._call()


class LinkParser(Parser):
    """nats-py's parser, with a short road for the messages of inboxes."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.inboxes: dict[bytes, Inbox] = {}
        self._rest = b""

    def reset(self) -> None:
        """Forget what was read of a message that is not complete."""
        super().reset()
        self._rest = b""

    async def parse(self, data: bytes = b"") -> None:
        """Walk over what was read; an incomplete message waits for the next read."""
        try:
            await self._walk(self._rest + data if self._rest else data)
        except (IndexError, ValueError):
            # nats-py closes the connection on this one, and on no other.
            raise ProtocolError("nats: malformed message line") from None

    async def _walk(self, buffer: bytes) -> None:
        at = 0
        brought: set[bytes] = set()
        while (end := buffer.find(CRLF, at)) >= 0:
            kind = buffer[at]
            if kind == MESSAGE:
                words = buffer[at + 4 : end].split()
            elif kind == MESSAGE_WITH_HEADERS:
                words = buffer[at + 5 : end].split()
            else:
                await super().parse(buffer[at : end + 2])
                at = end + 2
                continue
            begin, stop = end + 2, end + 2 + int(words[-1])
            if len(buffer) < stop + 2:
                break
            at = stop + 2
            inbox = self.inboxes.get(words[1])
            if inbox is None:
                await self._hand_over(kind, words, buffer[begin:stop])
                continue
            if kind == MESSAGE_WITH_HEADERS:
                begin += int(words[-2])
            if words[2].startswith(ACKNOWLEDGEABLE):
                inbox.messages.append((words[0], words[2], buffer[begin:stop]))
                brought.add(words[1])
            elif kind == MESSAGE_WITH_HEADERS:
                inbox.on_status(buffer[end + 2 : begin])
        self._rest = buffer[at:]
        if end < 0 and len(self._rest) > LINE_BYTES_MAX:
            raise ValueError
        for number in brought:
            if inbox := self.inboxes.get(number):
                inbox.arrived()

    async def _hand_over(self, kind: int, words: list[bytes], body: bytes) -> None:
        """Give a message of any other subscription to nats-py."""
        headers, sizes = None, 1
        if kind == MESSAGE_WITH_HEADERS:
            headers_size, sizes = int(words[-2]), 2
            headers, body = body[:headers_size], body[headers_size:]
        reply = words[2] if len(words) - sizes > 2 else b""
        dispatch = self.nc._process_msg  # noqa: SLF001 - what the parser calls
        await dispatch(int(words[1]), words[0], reply, body, headers)


class Link(NatsClient):
    """A client with inboxes."""

    def __init__(self) -> None:
        super().__init__()
        self._ps: LinkParser = LinkParser(self)

    async def open_inbox(self, subject: str, inbox: Inbox) -> int:
        """Let an inbox receive what is sent to a subject; return its number."""
        subscription = await self.subscribe(subject)
        number: int = subscription._id  # noqa: SLF001 - the protocol's word for it
        self._ps.inboxes[str(number).encode()] = inbox
        return number

    async def close_inbox(self, number: int) -> None:
        """Receive nothing more; what is still on its way is dropped."""
        self._ps.inboxes.pop(str(number).encode(), None)
        subscription = self._subs.get(number)
        if subscription and not self.is_closed:
            await subscription.unsubscribe()

    def drop(self) -> None:
        """Cut the connection without a word; for one that no longer moves."""
        transport = getattr(self._transport, "_io_writer", None)
        if transport:
            with suppress(OSError, RuntimeError):
                transport.transport.abort()
