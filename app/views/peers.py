"""The other workers: whom to ask, how, and what to say when one does not answer.

Every question carries `local=1`, and a worker so asked answers for its own lanes alone:
no question can travel in a circle. A worker that does not answer in time is named in
the answer, with the reason.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import aiohttp
import orjson

from app.tls import distrust, pages_trust
from app.views.apart import apart
from app.views.worker import Worker

__all__ = ["Gathered", "Part", "Peers"]

ANSWER_SECONDS = 2.0
ASKED_AT_ONCE_MAX = 16
ANSWER_BYTES_MAX = 64 << 20
BYTES_PER_ROW = 64  # or more
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Generic[Answer]):
    """What one worker knows, and of which lanes.

    incomplete are those whose earlier closed windows are still being read back.
    """

    value: Answer
    lanes: list[int]
    incomplete: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered(Generic[Answer]):
    """What all workers know; silent says of each that did not answer, why."""

    values: list[Answer]
    wanted: Collection[int]
    lanes: list[int]
    incomplete: list[int]
    silent: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def alone(part: Part[Answer]) -> "Gathered[Answer]":
        """Return what one worker knows, as if nothing else had been wanted."""
        return Gathered(
            values=[part.value],
            wanted=part.lanes,
            lanes=part.lanes,
            incomplete=part.incomplete,
        )


class Peers:
    """Asks the other workers, all at once; headers say who asks."""

    def __init__(self, worker: Worker, headers: Mapping[str, str]) -> None:
        self._worker = worker
        self._headers = headers
        self._web = worker.settings.web
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold connections to the other workers while the block runs."""
        trust = pages_trust(self._web)
        connector = aiohttp.TCPConnector(limit=ASKED_AT_ONCE_MAX, ssl=trust)
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, headers=self._headers
        ) as session:
            self._session = session
            yield
        self._session = None

    async def gather(
        self,
        path: str,
        params: Mapping[str, str],
        lanes: Collection[int],
        *,
        local: Callable[[Collection[int]], Awaitable[Part[Answer]]],
        read: Callable[[Any], Answer],
    ) -> Gathered[Answer]:
        """Return what is known of lanes: local is asked of those here, peers the rest.

        Each lane is asked of one worker only, so that none is there twice while it
        changes hands. read makes a value of another worker's JSON, in a thread.
        """
        others = self._shares(set(lanes) - self._worker.states().keys())
        questions = {
            url: {**params, "lanes": ",".join(map(str, share))}
            for url, share in others.items()
        }

        def part(answer: Any) -> Part[Answer]:
            return Part(
                value=read(answer),
                lanes=answer["answered_lanes"],
                incomplete=answer["incomplete_lanes"],
            )

        answers, silent = await self.ask(path, questions, part)
        parts = [await local(lanes), *answers]
        return Gathered(
            values=[part.value for part in parts],
            wanted=lanes,
            lanes=sorted(lane for part in parts for lane in part.lanes),
            incomplete=sorted(lane for part in parts for lane in part.incomplete),
            silent=silent,
        )

    async def ask(
        self,
        path: str,
        questions: Mapping[str, Mapping[str, str]],
        read: Callable[[Any], Answer],
    ) -> tuple[list[Answer], dict[str, str]]:
        """Ask workers by their URL, all at once.

        Returns:
            The answers, and why each of the other workers gave none.
        """
        said = await asyncio.gather(
            *(self._question(url + path, q, read) for url, q in questions.items())
        )
        return (
            [answer for answer in said if not isinstance(answer, _Silence)],
            {
                url: answer.reason
                for url, answer in zip(questions, said, strict=True)
                if isinstance(answer, _Silence)
            },
        )

    def _shares(self, lanes: Collection[int]) -> dict[str, list[int]]:
        """Return which of the lanes each other worker has, where it has any."""
        shares = {
            url: sorted(set(owned) & set(lanes))
            for url, owned in self._worker.owners().items()
            if url != self._worker.url()
        }
        return {url: share for url, share in shares.items() if share}

    async def _question(
        self, url: str, wanted: Mapping[str, str], read: Callable[[Any], Answer]
    ) -> "Answer | _Silence":
        try:
            body = await self._fetch(url, {**wanted, "local": "1"})
            rows = len(body) // BYTES_PER_ROW
            return await apart(rows, lambda: read(orjson.loads(body)))
        except (TimeoutError, aiohttp.ClientError) as error:
            return _Silence(_said(error))
        except (KeyError, TypeError, ValueError):
            return _Silence("answered in a format that this worker does not know")

    async def _fetch(self, url: str, params: Mapping[str, str]) -> bytes:
        if self._session is None:
            raise aiohttp.ClientConnectionError("this worker is stopping")
        if self._web.is_encrypted and not url.startswith("https:"):
            raise InTheClear
        name = self._web.server_name or None
        async with self._session.get(
            url, params=params, server_hostname=name
        ) as response:
            response.raise_for_status()
            body = bytearray()
            async for part in response.content.iter_any():
                body += part
                if len(body) > ANSWER_BYTES_MAX:
                    raise aiohttp.ClientPayloadError("the answer is too long")
            return bytes(body)


class InTheClear(aiohttp.ClientError):
    """A worker has an address without TLS: who asked it would show its token."""


def _said(error: TimeoutError | aiohttp.ClientError) -> str:
    """Return in words why a worker did not answer."""
    said = f"broke off: {error}"
    match error:
        case TimeoutError():
            said = f"did not answer within {ANSWER_SECONDS:.0f} s"
        case aiohttp.ClientResponseError():
            said = f"answered {error.status} {error.message}"
        case InTheClear():
            said = "does not encrypt, and SMARTMETER_WEB__TLS or …__CA asks for it"
        case aiohttp.ClientConnectorCertificateError():
            said = distrust(error)
        case aiohttp.ClientConnectorSSLError():
            said = "does not speak TLS"
        case aiohttp.ClientConnectorError():
            said = "cannot be reached"
    return said


@dataclass(frozen=True, slots=True)
class _Silence:
    """Why a worker gave no answer."""

    reason: str
