"""The whole cluster as one worker sees it: its own lanes, and what the others say.

Every question to another worker carries `local=1`, and a worker so asked answers for
its own lanes alone: no question can travel in a circle. A worker that does not answer
in time is named in the answer, with the reason.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
import orjson

from app.domain.readings import lane_of
from app.views.overview import checked_overview, local_overview, merge_overviews
from app.views.presentation import read_selection
from app.views.sampling import Sampler
from app.views.selection import Query, Selection, merge, select
from app.views.worker import Worker

__all__ = ["Cluster", "Found"]

ANSWER_SECONDS = 2.0
ASKED_AT_ONCE_MAX = 16
ANSWER_BYTES_MAX = 64 << 20
Answer = TypeVar("Answer")
OVERVIEW_SECONDS = 0.5  # how old an overview may be: many viewers cost what one does


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Windows of the cluster: for which lanes, and what is missing.

    incomplete are lanes whose earlier closed windows are still being read back; silent
    says of each worker that did not answer, why.
    """

    selection: Selection
    lanes: list[int]
    incomplete: list[int]
    silent: Mapping[str, str] = field(default_factory=dict)


class Cluster:
    """Answers for all lanes."""

    def __init__(self, worker: Worker, sampler: Sampler) -> None:
        self._worker = worker
        self._sampler = sampler
        self._session: aiohttp.ClientSession | None = None
        self._overview: dict[str, Any] = {}
        self._overview_at = -OVERVIEW_SECONDS
        self._merging = asyncio.Lock()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold connections to the other workers while the block runs."""
        connector = aiohttp.TCPConnector(limit=ASKED_AT_ONCE_MAX)
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout
        ) as session:
            self._session = session
            yield
        self._session = None

    def local_overview(self) -> dict[str, Any]:
        """Return this worker's figures alone."""
        return local_overview(self._worker, self._sampler)

    async def overview(self) -> dict[str, Any]:
        """Return the figures of all workers, at most half a second old."""
        async with self._merging:
            if time.monotonic() - self._overview_at >= OVERVIEW_SECONDS:
                owners = self._worker.owners()
                others = owners.keys() - {self._worker.url()}
                answers, silent = await self._ask(
                    "/api/v1/overview", {url: {} for url in others}, checked_overview
                )
                self._overview = merge_overviews(
                    [self.local_overview(), *answers],
                    owners={**owners, self._worker.url(): self._worker.lanes},
                    silent=silent,
                    lanes=self._worker.settings.kafka.lanes,
                )
                self._overview_at = time.monotonic()
            return self._overview

    async def local_windows(self, query: Query, lanes: Collection[int]) -> Found:
        """Return windows of those of the lanes that are here."""
        profile = self._worker.profile
        states = {n: s for n, s in self._worker.states().items() if n in lanes}
        parts = []
        for state in states.values():
            parts.append(select(state, query, profile))
            await asyncio.sleep(0)  # a lane at a time, so that frames get their turn
        return Found(
            selection=merge(parts, query, profile),
            lanes=list(states),
            incomplete=[n for n, s in states.items() if not s.recent.is_filled],
        )

    async def windows(self, query: Query) -> Found:
        """Return windows of all lanes, or of the one that a transformer belongs to.

        Each lane is asked of one worker only, so that none is there twice while it
        changes hands.
        """
        lanes = self.lanes(query)
        others = self._shares(set(lanes) - self._worker.states().keys())
        wanted = _wanted(query)
        questions = {
            url: {**wanted, "lanes": ",".join(map(str, share))}
            for url, share in others.items()
        }
        answers, silent = await self._ask("/api/v1/windows", questions, _found)
        found = [await self.local_windows(query, lanes), *answers]
        parts = [each.selection for each in found]
        return Found(
            selection=merge(parts, query, self._worker.profile),
            lanes=sorted(lane for each in found for lane in each.lanes),
            incomplete=sorted(lane for each in found for lane in each.incomplete),
            silent=silent,
        )

    def lanes(self, query: Query) -> Collection[int]:
        """Return the lanes that hold what is asked for."""
        lanes = self._worker.settings.kafka.lanes
        if query.line is None or query.transformer is None:
            return range(lanes)
        return [lane_of(query.line, query.transformer, lanes)]

    def _shares(self, lanes: Collection[int]) -> dict[str, list[int]]:
        """Return which of the lanes each other worker has, where it has any."""
        shares = {
            url: sorted(set(owned) & set(lanes))
            for url, owned in self._worker.owners().items()
            if url != self._worker.url()
        }
        return {url: share for url, share in shares.items() if share}

    async def _ask(
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

    async def _question(
        self, url: str, wanted: Mapping[str, str], read: Callable[[Any], Answer]
    ) -> "Answer | _Silence":
        try:
            body = await self._fetch(url, {**wanted, "local": "1"})
            return await asyncio.to_thread(lambda: read(orjson.loads(body)))
        except TimeoutError:
            return _Silence(f"did not answer within {ANSWER_SECONDS:.0f} s")
        except aiohttp.ClientResponseError as error:
            return _Silence(f"answered {error.status} {error.message}")
        except aiohttp.ClientConnectorError:
            return _Silence("cannot be reached")
        except aiohttp.ClientError as error:
            return _Silence(f"broke off: {error}")
        except (KeyError, TypeError, ValueError):
            return _Silence("answered in a format that this worker does not know")

    async def _fetch(self, url: str, params: Mapping[str, str]) -> bytes:
        if self._session is None:
            raise aiohttp.ClientConnectionError("this worker is stopping")
        async with self._session.get(url, params=params) as response:
            response.raise_for_status()
            body = bytearray()
            async for part in response.content.iter_any():
                body += part
                if len(body) > ANSWER_BYTES_MAX:
                    raise aiohttp.ClientPayloadError("the answer is too long")
            return bytes(body)


@dataclass(frozen=True, slots=True)
class _Silence:
    """Why a worker gave no answer."""

    reason: str


def _wanted(query: Query) -> dict[str, str]:
    wanted = {
        "format": "columns",
        "state": query.state,
        "sort": ("-" if query.descending else "") + query.sort,
        "limit": str(query.limit),
    }
    if query.line is not None:
        wanted["line"] = str(query.line)
    if query.transformer is not None:
        wanted["transformer"] = str(query.transformer)
    return wanted


def _found(answer: Mapping[str, Any]) -> Found:
    return Found(
        selection=read_selection(answer["windows"], answer["matched_windows"]),
        lanes=answer["answered_lanes"],
        incomplete=answer["incomplete_lanes"],
    )
