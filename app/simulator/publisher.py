"""JetStream publishing with acknowledgements in flight, each one verified.

nats-py's own `js.publish` waits for one acknowledgement at a time. Here each message
names a reply subject with its number, one subscription takes all acknowledgements, and
a message counts when its own has come without an error. Whatever goes wrong (a refusal,
silence, a lost connection) holds new messages back, and what is in flight is sent again
in order under the same `Nats-Msg-Id`: the server stores nothing twice (within the
stream's duplicate window, 2 minutes by default), and a meter's readings stay in order.
"""

import asyncio
import logging
import random
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import nats.errors
import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg

from app.errors import StreamUnavailable
from app.simulator.fleet import Message

__all__ = ["Patience", "Publisher", "Tally"]

log = logging.getLogger(__name__)

STORED = b'{"stream":'  # a refusal begins with {"error":
NO_RESPONDERS = "503"
YIELD_MESSAGES = 256
TICK_SECONDS = 0.5


@dataclass(slots=True)
class Tally:
    """What became of the messages so far; readings and weather are acknowledged."""

    readings: int = 0
    weather: int = 0
    errors: int = 0
    retried: int = 0
    last_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Bounds of waiting and retrying."""

    acknowledgement_seconds_max: float = 5.0
    backoff_seconds_min: float = 0.2
    backoff_seconds_max: float = 5.0
    silence_seconds_max: float = 600.0


class Publisher:
    """Publishes on an open connection; `running` starts and stops it."""

    def __init__(
        self,
        connection: Client,
        *,
        in_flight_max: int = 8_192,
        patience: Patience | None = None,
    ) -> None:
        self.tally = Tally()
        self._connection = connection
        self._patience = patience or Patience()
        self._in_flight: dict[int, Message] = {}  # in the order of publication
        self._in_flight_max = in_flight_max
        self._in_flight_low = in_flight_max * 3 // 4
        self._newest = -1
        self._identity = secrets.token_hex(6)  # no other run has these message ids
        self._inbox = (
            ""  # known once the connection is: it may have a prefix of its own
        )
        self._trouble = "not connected yet"
        self._is_accepted = False  # in trouble: the oldest message was stored again
        self._moved = asyncio.Event()  # there may be room now, or a reason to stop
        self._wake = asyncio.Event()  # the caretaker has something to do
        self._stopping = False
        self._is_closing = False
        self._heard_at = time.monotonic()
        self._caretaker: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._in_flight)

    @property
    def trouble(self) -> str:
        """What keeps messages from being stored now; empty when all is well."""
        return self._trouble

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen to acknowledgements and care for what does not come back."""
        self._inbox = f"{self._connection.new_inbox()}."
        subscription = await self._connection.subscribe(
            f"{self._inbox}*",
            cb=self._answered,
            pending_msgs_limit=4 * self._in_flight_max,
            pending_bytes_limit=-1,
        )
        self._heard_at = time.monotonic()
        self._trouble = ""
        self._caretaker = asyncio.create_task(self._take_care())
        self._caretaker.add_done_callback(lambda _: self._moved.set())
        try:
            yield
        finally:
            # Told and not cancelled: nats-py swallows a cancellation while it flushes.
            self._is_closing = True
            self._wake.set()
            await asyncio.gather(self._caretaker, return_exceptions=True)
            with suppress(nats.errors.Error):  # closed or lost: nobody listens anyway
                await subscription.unsubscribe()

    def stop(self) -> None:
        """Take no more messages; what is in flight is still cared for."""
        self._stopping = True
        self._moved.set()

    def connection_lost(self) -> None:
        """Hold new messages back until the connection is there again."""
        self._begin_trouble("the connection is lost")

    def connection_restored(self) -> None:
        """Send again what was in flight when the connection was lost."""
        self._wake.set()

    async def publish(self, messages: Sequence[Message]) -> int:
        """Send messages in order as acknowledgements make room; return how many.

        Fewer than given if the publisher was stopped meanwhile.

        Raises:
            StreamUnavailable: Nothing was acknowledged for too long.
        """
        for sent, message in enumerate(messages):
            if not sent % YIELD_MESSAGES:
                await asyncio.sleep(0)  # let acknowledgements in
            while not self._stopping and (
                self._trouble or len(self._in_flight) >= self._in_flight_max
            ):
                await self._next_move()
            if self._stopping:
                return sent
            self._newest += 1
            self._in_flight[self._newest] = message
            await self._send(self._newest, message)
        return len(messages)

    async def drain(self, seconds_max: float) -> int:
        """Wait for the acknowledgements in flight; return how many never came."""
        with suppress(TimeoutError):  # the number tells
            async with asyncio.timeout(seconds_max):
                while self._in_flight:
                    await self._next_move()
        return len(self._in_flight)

    async def _next_move(self) -> None:
        if self._caretaker is not None and self._caretaker.done():
            self._caretaker.result()  # raises what ended it
        self._moved.clear()
        await self._moved.wait()

    async def _send(self, number: int, message: Message) -> None:
        try:
            await self._connection.publish(
                message.subject,
                message.payload,
                reply=f"{self._inbox}{number}",
                headers={"Nats-Msg-Id": f"{self._identity}-{number}"},
            )
        except nats.errors.Error as error:  # no connection: it stays in flight
            self._begin_trouble(str(error))

    async def _answered(self, answer: Msg) -> None:
        number = int(answer.subject[len(self._inbox) :])
        if not answer.data.startswith(STORED):
            self._refused(number, answer)
            return
        self._heard_at = time.monotonic()
        message = self._in_flight.pop(number, None)
        if message is None:
            return  # sent twice, and both were acknowledged
        if message.is_reading:
            self.tally.readings += 1
        else:
            self.tally.weather += 1
        if len(self._in_flight) <= self._in_flight_low:
            self._moved.set()
        if self._trouble and not (self._in_flight and self._is_accepted):
            self._is_accepted = True
            self._wake.set()

    def _refused(self, number: int, answer: Msg) -> None:
        if number not in self._in_flight:
            return
        self.tally.errors += 1
        if (answer.headers or {}).get("Status") == NO_RESPONDERS:
            self._begin_trouble("no stream takes the meters' subjects")
            return
        try:
            error = orjson.loads(answer.data)["error"]
            self._begin_trouble(f"JetStream refused a message: {error['description']}")
        except (KeyError, TypeError, ValueError):
            self._begin_trouble(f"an answer of {len(answer.data)} bytes is unknown")

    def _begin_trouble(self, what: str) -> None:
        self.tally.last_error = what
        if not self._trouble:
            log.warning("Publishing waits: %s.", what)
        self._trouble = what
        self._is_accepted = False

    async def _take_care(self) -> None:
        """Find what is overdue; in trouble, send what is in flight again, in order."""
        backoff = self._patience.backoff_seconds_min
        marks: deque[tuple[float, int]] = deque()
        while True:
            await self._pause(backoff if self._trouble else TICK_SECONDS)
            if self._is_closing:
                return
            self._check_silence()
            if not self._trouble:
                backoff = self._patience.backoff_seconds_min
                self._look_for_overdue(marks)
            elif self._connection.is_connected and not self._in_flight:
                log.info("Publishing goes on.")
                self._trouble = ""
                self._moved.set()
            elif self._connection.is_connected:
                await self._send_again()
                backoff = min(2 * backoff, self._patience.backoff_seconds_max)

    async def _pause(self, seconds: float) -> None:
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 spreads retries, no secret
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds * jitter):
                await self._wake.wait()
        self._wake.clear()

    def _check_silence(self) -> None:
        now = time.monotonic()
        if not self._in_flight and not self._trouble:
            self._heard_at = now
        if now - self._heard_at > self._patience.silence_seconds_max:
            raise StreamUnavailable(
                f"nothing was acknowledged for {now - self._heard_at:.0f} s: "
                f"{self._trouble or 'JetStream is silent'}"
            )

    def _look_for_overdue(self, marks: deque[tuple[float, int]]) -> None:
        """Compare with the newest number of a while ago: no clock per message."""
        now = time.monotonic()
        marks.append((now, self._newest))
        due = -1
        while marks[0][0] < now - self._patience.acknowledgement_seconds_max:
            due = marks.popleft()[1]
        overdue = sum(number <= due for number in self._in_flight)
        if overdue:
            self.tally.errors += overdue
            self._begin_trouble(f"{overdue} messages were not acknowledged in time")

    async def _send_again(self) -> None:
        """Try the oldest message alone; once it is accepted, send all the others.

        All at once could be refused at first and accepted from the middle on.
        """
        waiting = list(self._in_flight.items())
        for sent, (number, message) in enumerate(
            waiting if self._is_accepted else waiting[:1]
        ):
            if not sent % YIELD_MESSAGES:
                await asyncio.sleep(0)
            if number in self._in_flight and not self._is_closing:
                self.tally.retried += 1
                await self._send(number, message)
