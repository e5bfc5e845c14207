"""The JSON of the transformers that stand out most, over the whole cluster."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from aiohttp import web

from app.domain.windows import WindowRows
from app.views.answers import (
    envelope,
    is_local,
    json_response,
    lanes_asked_for,
    lanes_of,
    number,
    one_of,
)
from app.views.apart import ROWS_HERE_MAX, apart
from app.views.peers import Gathered, Part, Peers
from app.views.presentation import objects_of
from app.views.ranking import (
    COLUMNS,
    RANKINGS,
    Ranked,
    Ranking,
    last_windows,
    merge_ranked,
    rank,
)
from app.views.worker import Worker

__all__ = ["Top"]

LIMIT_MAX = 1_000


class Top:
    """The worst transformers by highest or lowest voltage, or by readings over."""

    def __init__(self, worker: Worker, peers: Peers) -> None:
        self._worker = worker
        self._peers = peers

    @property
    def routes(self) -> list[web.RouteDef]:
        """The paths."""
        return [web.get("/api/v1/top", self.answer)]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer with the transformers that stand out most.

        by says in what, windows over how many of the last window starts, and limit how
        many transformers.
        """
        ranking = read_ranking(request.query)
        if is_local(request):
            part = await self.local(ranking, lanes_asked_for(request))
            found = Gathered.alone(part)
        else:
            found = await self._peers.gather(
                "/api/v1/top",
                _params(ranking),
                lanes_of(self._worker, None, None),
                local=lambda lanes: self.local(ranking, lanes),
                read=_ranked,
            )
        ranked = merge_ranked(found.values, ranking)
        return await json_response(
            {
                **envelope(self._worker, found),
                "by": ranking.by,
                "windows": ranking.windows,
                "transformers_count": ranked.transformers,
                "transformers": objects_of(ranked.columns),
            },
            rows=len(ranked.columns["line"]),
        )

    async def local(self, ranking: Ranking, lanes: Collection[int]) -> Part[Ranked]:
        """Rank the transformers of those of the lanes that are here."""
        threshold = self._worker.settings.windows.threshold_volts
        states = self._worker.states_of(lanes)
        parts: list[WindowRows] = []
        for state in states.values():
            parts.append(rows := last_windows(state, ranking.windows))
            if len(rows) > ROWS_HERE_MAX:
                await asyncio.sleep(0)  # so that frames get their turn
        return Part(
            value=await apart(sum(map(len, parts)), rank, parts, ranking, threshold),
            lanes=list(states),
            incomplete=[n for n, s in states.items() if not s.recent.is_filled],
        )


def read_ranking(wanted: Mapping[str, str]) -> Ranking:
    """Return the ranking that a query string asks for.

    Raises:
        HTTPBadRequest: A parameter is not understood; names it.
    """
    usual = Ranking()
    return Ranking(
        by=one_of(wanted, "by", RANKINGS),
        windows=number(wanted.get("windows", str(usual.windows)), "windows", 1, 96),
        limit=number(wanted.get("limit", str(usual.limit)), "limit", 1, LIMIT_MAX),
    )


def _params(ranking: Ranking) -> dict[str, str]:
    return {
        "by": ranking.by,
        "windows": str(ranking.windows),
        "limit": str(ranking.limit),
    }


def _ranked(answer: Mapping[str, Any]) -> Ranked:
    rows = answer["transformers"]
    return Ranked(
        columns={
            name: np.array([row[name] for row in rows], dtype)
            for name, dtype in COLUMNS.items()
        },
        transformers=int(answer["transformers_count"]),
    )
