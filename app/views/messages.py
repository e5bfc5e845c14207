"""What goes out on NATS, as it is seen there: the last messages, and how many a second.

One subscription per worker, and only while somebody looks. Memory holds so many
messages of so many bytes each; at a rate that a person cannot read, the rest is only
counted. The page is an ordinary one, so a viewer gets it as a stream (streams.py).
"""

import asyncio
import logging
import re
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import nats.errors
from aiohttp import web

from app.connections import NatsClient, connect_nats
from app.errors import SmartMeterError
from app.topology import Topology
from app.views.answers import bad, common, json_response, number
from app.views.worker import Worker
from app.wire.readable import readable

__all__ = ["Messages", "matcher"]

KEPT_MAX = 500
KEPT_PER_SECOND_MAX = 100
PAYLOAD_BYTES_MAX = 2_000
PENDING_MESSAGES_MAX = 2_000
SUBJECTS_MAX = 50
SUBJECT_LENGTH_MAX = 200
LIMIT_DEFAULT = 100
LOOKED_AT_SECONDS = 15.0
RATE_SECONDS = 10
LOOK_SECONDS = 0.25
RETRY_SECONDS = 3.0
CLOSE_SECONDS_MAX = 2.0
OTHERS = "(others)"
TOKEN = re.compile(r"[^\s.*>]+|\*")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A message: its number of all that were seen, and when, epoch seconds."""

    number: int
    at: float
    subject: str
    payload: bytes


class Messages:
    """Listens to the results' subjects while somebody looks, and answers with them."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._topology = Topology(worker.settings)
        self._client: NatsClient | None = None
        self._asked = float("-inf")
        self._state, self._reason = "connecting", ""
        self._kept: deque[Seen] = deque(maxlen=KEPT_MAX)
        self._number = 0
        self._second, self._kept_in_second = 0, 0
        self._counts: Counter[str] = Counter()
        self._by_second: deque[tuple[int, Counter[str]]] = deque(
            maxlen=RATE_SECONDS + 1
        )

    @property
    def routes(self) -> list[web.RouteDef]:
        """The paths."""
        return [web.get("/api/v1/messages", self.answer)]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Close the connection at the end of the block."""
        try:
            yield
        finally:
            await self._close()

    async def step(self) -> float:
        """Open or close the connection, as somebody looks; return seconds to wait."""
        if time.monotonic() - self._asked > LOOKED_AT_SECONDS:
            if self._client is not None:
                await self._close()
                self._forget()
            return LOOK_SECONDS
        if self._client is not None and not self._client.is_connected:
            await self._close()
            self._state, self._reason = "away", "the connection to NATS is lost"
        if self._client is None:
            try:
                await self._open()
            except SmartMeterError as error:
                self._state, self._reason = "away", str(error)
                return RETRY_SECONDS
            except (nats.errors.Error, OSError, TimeoutError) as error:
                self._state, self._reason = "away", f"NATS: {error!r}"
                return RETRY_SECONDS
        return LOOK_SECONDS

    async def _open(self) -> None:
        client = NatsClient()
        settings = self._worker.settings
        await connect_nats(client, settings, name=f"{settings.namespace}-view")
        self._client = client
        for subject in self._topology.results_subjects:
            await client.subscribe(
                subject, cb=self._take, pending_msgs_limit=PENDING_MESSAGES_MAX
            )
        await client.flush(timeout=int(max(1, settings.nats.connect_timeout_seconds)))
        self._state, self._reason = "listening", ""

    async def _close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS_MAX):
                await client.close()
        except (nats.errors.Error, OSError, TimeoutError) as error:
            logger.debug("The view's connection to NATS is left behind: %r", error)

    def _forget(self) -> None:
        self._kept.clear()
        self._counts.clear()
        self._by_second.clear()
        self._state = "connecting"

    # What comes ---------------------------------------------------------------------

    async def _take(self, message: Any) -> None:
        self.take(message.subject, message.data, time.time())

    def take(self, subject: str, payload: bytes, at: float) -> None:
        """Count a message; keep it, if there were not too many in this second."""
        self._number += 1
        second = int(at)
        kind = self._kind(subject)
        self._counts[kind] += 1
        if not self._by_second or self._by_second[-1][0] != second:
            self._by_second.append((second, Counter()))
        self._by_second[-1][1][kind] += 1
        if second != self._second:
            self._second, self._kept_in_second = second, 0
        self._kept_in_second += 1
        if self._kept_in_second <= KEPT_PER_SECOND_MAX:
            self._kept.append(
                Seen(
                    number=self._number,
                    at=at,
                    subject=subject[:SUBJECT_LENGTH_MAX],
                    payload=payload[: PAYLOAD_BYTES_MAX + 1],
                )
            )

    def _kind(self, subject: str) -> str:
        """Return the subject, or what stands for many of its kind."""
        if subject.startswith(f"{self._topology.alert_subject}."):
            return f"{self._topology.alert_subject}.>"
        if subject in self._counts or len(self._counts) < SUBJECTS_MAX:
            return subject[:SUBJECT_LENGTH_MAX]
        return OTHERS

    # What is answered ---------------------------------------------------------------

    async def answer(self, request: web.Request) -> web.Response:
        """Answer with the newest messages, of subjects like a pattern."""
        self._asked = time.monotonic()
        pattern = request.query.get("subject", "")
        text = request.query.get("limit", str(LIMIT_DEFAULT))
        limit = number(text, "limit", 1, KEPT_MAX)
        matches = matcher(pattern)
        now = time.time()
        chosen = [seen for seen in self._kept if matches(seen.subject)][-limit:]
        return await json_response(
            {
                **common(self._worker),
                "state": self._state,
                "reason": self._reason,
                "subjects": self._rates(now, matches),
                "messages": [_row(seen) for seen in reversed(chosen)],
            }
        )

    def _rates(
        self, now: float, matches: Callable[[str], bool]
    ) -> list[dict[str, Any]]:
        recent: Counter[str] = Counter()
        for second, counts in self._by_second:
            if now - RATE_SECONDS - 1 < second < int(now):  # whole seconds only
                recent.update(counts)
        return [
            {
                "subject": subject,
                "messages_count": count,
                "messages_per_second": recent[subject] / RATE_SECONDS,
            }
            for subject, count in sorted(self._counts.items())
            if matches(subject.removesuffix(".>") + ".1.1.1" * subject.endswith(".>"))
        ]


def matcher(pattern: str) -> Callable[[str], bool]:
    """Return what tells whether a subject is like a pattern; an empty one is all.

    >>> matcher("smartmeter.*.extract.>")("smartmeter.voltage.extract.max")
    True
    >>> matcher("prediction")("smartmeter.voltage.extract.prediction.12")
    True
    >>> matcher("*.max")("smartmeter.voltage.extract.max")
    False

    Raises:
        HTTPBadRequest: It is no pattern.
    """
    if len(pattern) > SUBJECT_LENGTH_MAX:
        raise bad(f"subject has at most {SUBJECT_LENGTH_MAX} characters")
    if not {"*", ">"} & set(pattern):
        # A word of it is enough, as a person types one.
        return lambda subject: pattern.lower() in subject.lower()
    tokens = pattern.split(".")
    has_rest = tokens[-1] == ">"
    tokens = tokens[:-1] if has_rest else tokens
    if not all(map(TOKEN.fullmatch, tokens)):
        raise bad("subject is a word, or tokens with * for one and > for the rest")

    def matches(subject: str) -> bool:
        found = subject.split(".")
        enough = len(found) > len(tokens) if has_rest else len(found) == len(tokens)
        return enough and _alike(tokens, found)

    return matches


def _alike(tokens: Iterable[str], found: Iterable[str]) -> bool:
    pairs = zip(tokens, found, strict=False)
    return all(token in {"*", given} for token, given in pairs)


def _row(seen: Seen) -> dict[str, Any]:
    is_cut = len(seen.payload) > PAYLOAD_BYTES_MAX
    payload = seen.payload[:PAYLOAD_BYTES_MAX]
    content = (
        {"text": payload.decode(errors="replace")} if is_cut else readable(payload)
    )
    return {
        "number": seen.number,
        "at_epoch_seconds": round(seen.at, 3),
        "subject": seen.subject,
        "content": content,
        "is_cut": is_cut,
    }
