"""Stored rows as files, streamed while they are read: `/api/v1/export/raw?format=csv`.

A thread reads Cassandra and writes into a pipe of few chunks, so that memory stays
small and a slow reader slows only its own thread. One download at a time: this process
has windows to count. For much, `smartmeter export` is the place.
"""

import asyncio
import contextlib
import io
import logging
from datetime import date
from typing import Any

from aiohttp import web

from app.errors import SinkUnavailable, SmartMeterError
from app.exports.formats import Format, TooManyRows, require, writer
from app.exports.sources import SOURCES, Export
from app.sinks.selection import Selection
from app.views.answers import bad, key, one_of
from app.views.worker import Worker

__all__ = ["Downloads"]

CHUNKS_MAX = 8
CHUNK_BYTES = 64 << 10
READER_SECONDS_MAX = 60.0  # one that takes nothing for so long has gone
LOOK_SECONDS = 0.5

logger = logging.getLogger(__name__)


class Downloads:
    """Exports over HTTP."""

    def __init__(self, worker: Worker) -> None:
        self._settings = worker.settings
        self._turn = asyncio.Semaphore(1)

    @property
    def routes(self) -> list[web.RouteDef]:
        """The paths."""
        return [web.get("/api/v1/export/{what}", self.answer)]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer with a file; 503 while Cassandra is away or another download runs."""
        what = request.match_info["what"]
        if what not in SOURCES:
            raise web.HTTPNotFound(text=f"there is {', '.join(SOURCES)} to export")
        kind = Format(one_of(request.query, "format", tuple(Format)))
        selection = _selection(request)
        if self._turn.locked():
            raise web.HTTPServiceUnavailable(
                text="another download is under way", headers={"Retry-After": "10"}
            )
        async with self._turn:
            export = Export(self._settings, what, selection)
            try:
                await asyncio.to_thread(_open, export, kind)
            except SinkUnavailable as error:
                raise web.HTTPServiceUnavailable(text=str(error)) from None
            except TooManyRows as error:
                raise bad(str(error)) from None
            except SmartMeterError as error:
                raise web.HTTPServiceUnavailable(text=str(error)) from None
            try:
                return await _stream(request, export, kind, f"{what}.{kind}")
            finally:
                await asyncio.shield(asyncio.to_thread(export.close))


def _selection(request: web.Request) -> Selection:
    days: dict[str, date | None] = {"from": None, "to": None}
    for name in days:
        if text := request.query.get(name):
            try:
                days[name] = date.fromisoformat(text)
            except ValueError:
                raise bad(f"{name} is a day such as 2026-11-23") from None
    first, last = days["from"], days["to"]
    if first and last and first > last:
        raise bad("from is after to")
    keys = {
        name: key(text, name) if (text := request.query.get(name)) else None
        for name in ("line", "transformer")
    }
    return Selection(first=first, last=last, **keys)


def _open(export: Export, kind: Format) -> None:
    export.open()
    try:
        require(kind, export.count)
    except BaseException:
        export.close()
        raise


async def _stream(
    request: web.Request, export: Export, kind: Format, name: str
) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={
            "Content-Type": kind.media_type,
            "Content-Disposition": f'attachment; filename="{name}"',
        }
    )
    await response.prepare(request)
    pipe = _Pipe(asyncio.get_running_loop())
    writing = asyncio.ensure_future(asyncio.to_thread(_write, export, kind, pipe))
    try:
        while chunk := await pipe.chunks.get():
            await asyncio.wait_for(response.write(chunk), READER_SECONDS_MAX)
        await writing
    except (SmartMeterError, OSError) as error:
        # The status has been sent: a connection that breaks says that it is not whole.
        logger.warning("A download of %s was broken off: %s", name, error)
        if request.transport is not None:
            request.transport.abort()
    finally:
        pipe.gone = True
        with contextlib.suppress(SmartMeterError, OSError):
            await asyncio.shield(writing)
    return response


def _write(export: Export, kind: Format, pipe: "_Pipe") -> None:
    """Write a file into the pipe; runs in a thread of its own."""
    try:
        file = writer(kind, export.table, pipe)
        for rows in export.pages():
            file.write(rows)
        file.finish()
        pipe.flush_rest()
    finally:
        pipe.end()


class _Pipe(io.RawIOBase):
    """A file that a thread writes, and whose chunks the event loop takes."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.chunks: asyncio.Queue[bytes] = asyncio.Queue(CHUNKS_MAX)
        self.gone = False  # nobody takes chunks any more
        self._loop = loop
        self._buffer = bytearray()
        self._written = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, data: Any) -> int:
        self._buffer += data
        self._written += len(data)
        if len(self._buffer) >= CHUNK_BYTES:
            self.flush_rest()
        return len(data)

    def flush_rest(self) -> None:
        """Hand over what is left."""
        if self._buffer:
            self._put(bytes(self._buffer))
            self._buffer.clear()

    def end(self) -> None:
        """Tell the taker that nothing more comes."""
        with contextlib.suppress(BrokenPipeError):
            self._put(b"")

    def _put(self, chunk: bytes) -> None:
        waiting = asyncio.run_coroutine_threadsafe(self.chunks.put(chunk), self._loop)
        while not self.gone:
            with contextlib.suppress(TimeoutError):
                return waiting.result(LOOK_SECONDS)
        waiting.cancel()
        raise BrokenPipeError("the download was broken off")
