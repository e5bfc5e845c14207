"""Any JSON page as a stream of server-sent events: `Accept: text/event-stream`.

The page is asked again and again, and sent where it has changed. Events are `answer`
(the page), `same` (nothing new: so that silence means trouble) and `trouble` (why
there is no answer now). A browser's EventSource reconnects by itself.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from app.views.presentation import encode

__all__ = ["Streams"]

STREAMS_MAX = 64
CANCEL_SECONDS = 0.5
PAUSE_SECONDS_MIN = 0.05  # so that what is published is seen within a quarter second
PAUSE_SECONDS_MAX = 5.0
# A page that takes long or is large comes less often: all viewers together may cost a
# tenth of a core, and each 500 kB a second.
PAUSE_PER_SECOND = 10.0
# The least of these is what the page costs: one that the machine held up for 40 ms was
# followed by a pause of 400 ms.
COSTS_KEPT = 3
BYTES_PER_SECOND = 500_000
SAME_SECONDS = 1.0
RECONNECT_MILLISECONDS = 2_000

logger = logging.getLogger(__name__)


class Streams:
    """The streams that are open."""

    def __init__(self) -> None:
        self._open: set[asyncio.Task[None]] = set()
        self._closing = False

    async def close(self, _: web.Application) -> None:
        """End all streams, and begin none, so that the server can stop."""
        self._closing = True
        while self._open:
            for task in self._open:
                task.cancel()  # again: a cancellation can be lost (background.py)
            await asyncio.wait(self._open, timeout=CANCEL_SECONDS)

    @property
    def middleware(self) -> Middleware:
        """Answers with a stream whoever accepts one."""

        @web.middleware
        async def middleware(
            request: web.Request, handler: Handler
        ) -> web.StreamResponse:
            accepted = request.headers.get("Accept", "")
            is_page = request.path.startswith("/api/")
            if not is_page or not accepted.startswith("text/event-stream"):
                return await handler(request)
            if len(self._open) >= STREAMS_MAX:
                raise web.HTTPServiceUnavailable(
                    text=f"{STREAMS_MAX} streams are open already; ask again later"
                )
            return await self._answer(request, handler)

        return middleware

    async def _answer(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        async def page() -> bytes:
            answer = await handler(request)
            if not isinstance(answer, web.Response) or not isinstance(
                answer.body, bytes
            ):
                raise web.HTTPNotAcceptable(text="this page cannot be a stream")
            return answer.body

        first = await page()  # what is asked wrongly is refused as any page would
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )
        await response.prepare(request)
        if self._closing:
            return response
        task = asyncio.create_task(self._send(response, first, page))
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        try:
            await task
        except (asyncio.CancelledError, ConnectionError):
            # Either we stop, or nobody looks any more: in both cases it is over.
            task.cancel()
        return response

    async def _send(
        self,
        response: web.StreamResponse,
        sent: bytes,
        page: Callable[[], Awaitable[bytes]],
    ) -> None:
        await response.write(b"retry: %d\n" % RECONNECT_MILLISECONDS)
        await response.write(_event(b"answer", sent))
        pause = PAUSE_SECONDS_MIN
        costs_seconds: deque[float] = deque(maxlen=COSTS_KEPT)
        said = time.monotonic()
        while True:
            await asyncio.sleep(pause)
            started = time.monotonic()
            try:
                event, sent = _news(await page(), sent)
            except web.HTTPException as error:
                event, sent = _trouble(error.text or error.reason), b""
            except Exception:
                logger.exception("A stream has no answer now.")
                event, sent = _trouble("a fault of the worker; its log has it"), b""
            if event != SAME or started - said >= SAME_SECONDS:
                await response.write(event)
                said = started
            costs_seconds.append(time.monotonic() - started)
            pause = min(
                max(
                    PAUSE_SECONDS_MIN,
                    PAUSE_PER_SECOND * min(costs_seconds) * len(self._open),
                    len(event) / BYTES_PER_SECOND,
                ),
                PAUSE_SECONDS_MAX,
            )


def _news(body: bytes, sent: bytes) -> tuple[bytes, bytes]:
    """Return what to send of a page, and what is known then."""
    return SAME if body == sent else _event(b"answer", body), body


def _trouble(reason: str) -> bytes:
    return _event(b"trouble", encode({"error": reason}))


def _event(name: bytes, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name, data)


SAME = _event(b"same", b"{}")
