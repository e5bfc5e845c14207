"""The JSON of the overview and of windows, under /api/v1/."""

import asyncio
import itertools
import time
from collections.abc import Collection, Mapping
from typing import Any

from aiohttp import web

from app.views.answers import (
    bad,
    common,
    envelope,
    is_local,
    json_response,
    key,
    lanes_asked_for,
    lanes_of,
    number,
    one_of,
)
from app.views.apart import ROWS_HERE_MAX, apart
from app.views.overview import checked_overview, local_overview, merge_overviews
from app.views.peers import Gathered, Part, Peers
from app.views.presentation import (
    csv_text,
    objects_of,
    read_selection,
    window_columns,
)
from app.views.sampling import Sampler
from app.views.selection import SORT_COLUMNS, Query, Selection, merge, select
from app.views.worker import Worker

__all__ = ["Overview", "Windows"]

OVERVIEW_SECONDS = 0.5  # how old an overview may be: many viewers cost what one does
LIMIT_MAX = 50_000
LIMIT_DEFAULT = 1_000
STATES = ("all", "open", "closed")
FORMATS = ("rows", "columns", "csv")


class Overview:
    """Figures of all workers."""

    def __init__(self, worker: Worker, sampler: Sampler, peers: Peers) -> None:
        self._worker = worker
        self._sampler = sampler
        self._peers = peers
        self._merged: dict[str, Any] = {}
        self._merged_at = -OVERVIEW_SECONDS
        self._merging = asyncio.Lock()

    @property
    def routes(self) -> list[web.RouteDef]:
        """The paths."""
        return [web.get("/api/v1/overview", self.answer)]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer with the figures of all workers, or with local=1 this one's."""
        if is_local(request):
            return await json_response(local_overview(self._worker, self._sampler))
        return await json_response({**common(self._worker), **await self.merged()})

    async def merged(self) -> dict[str, Any]:
        """Return the figures of all workers, at most half a second old."""
        async with self._merging:
            if time.monotonic() - self._merged_at >= OVERVIEW_SECONDS:
                worker = self._worker
                owners = worker.owners()
                others = owners.keys() - {worker.url()}
                answers, silent = await self._peers.ask(
                    "/api/v1/overview", {url: {} for url in others}, checked_overview
                )
                self._merged = merge_overviews(
                    [local_overview(worker, self._sampler), *answers],
                    owners={**owners, worker.url(): worker.lanes},
                    silent=silent,
                    lanes=worker.settings.kafka.lanes,
                )
                self._merged_at = time.monotonic()
            return self._merged


class Windows:
    """Windows, open and recently closed, and those of one transformer."""

    def __init__(self, worker: Worker, peers: Peers) -> None:
        self._worker = worker
        self._peers = peers

    @property
    def routes(self) -> list[web.RouteDef]:
        """The paths."""
        one = r"/api/v1/transformers/{line:\d+}/{transformer:\d+}"
        return [
            web.get("/api/v1/windows", self.answer),
            web.get(one, self.transformer),
        ]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer with windows: state, line and transformer narrow them.

        sort is a column's name, with `-` for the largest first; limit bounds the rows;
        format is rows, columns or csv.
        """
        query = read_query(request.query)
        kind = one_of(request.query, "format", FORMATS)
        if is_local(request):
            part = await self.local(query, lanes_asked_for(request))
            found = Gathered.alone(part)
        else:
            found = await self.gather(query)
        selection = self._merged(found, query)
        rows = len(selection.rows)
        windows = await apart(rows, self._shaped, selection, kind)
        if kind == "csv":
            return web.Response(text=windows, content_type="text/csv")
        return await json_response(
            {
                **envelope(self._worker, found),
                "matched_windows": selection.matched,
                "returned_windows": rows,
                "windows": windows,
            },
            rows=rows,
        )

    async def transformer(self, request: web.Request) -> web.Response:
        """Answer with all that is in memory of one transformer, newest window first."""
        query = Query(
            line=key(request.match_info["line"], "line"),
            transformer=key(request.match_info["transformer"], "transformer"),
        )
        found = await self.gather(query)
        (lane,) = found.wanted
        selection = self._merged(found, query)
        owners = self._worker.owners()
        status = 200 if len(selection.rows) else 404
        if lane not in found.lanes:
            status = 503
        return await json_response(
            {
                "line": query.line,
                "transformer": query.transformer,
                "lane": lane,
                "worker": next((u for u, own in owners.items() if lane in own), None),
                **envelope(self._worker, found),
                "windows": self._shaped(selection, "rows"),
            },
            status=status,
        )

    def _shaped(self, selection: Selection, kind: str) -> Any:
        columns = window_columns(selection, self._worker.profile)
        if kind == "columns":
            return columns
        return csv_text(columns) if kind == "csv" else objects_of(columns)

    def _merged(self, found: Gathered[list[Selection]], query: Query) -> Selection:
        parts = list(itertools.chain.from_iterable(found.values))
        return merge(parts, query, self._worker.profile)

    async def local(
        self, query: Query, lanes: Collection[int]
    ) -> Part[list[Selection]]:
        """Return windows of those of the lanes that are here."""
        profile = self._worker.profile
        states = self._worker.states_of(lanes)
        parts: list[Selection] = []
        for state in states.values():
            found = select(state, query, profile)
            if sum(part.matched for part in found) > ROWS_HERE_MAX:
                found = [merge(found, query, profile)]
                await asyncio.sleep(0)  # so that frames get their turn
            parts += found
        return Part(
            value=parts,
            lanes=list(states),
            incomplete=[n for n, s in states.items() if not s.recent.is_filled],
        )

    async def gather(self, query: Query) -> Gathered[list[Selection]]:
        """Return windows of all lanes, or of the one that a transformer belongs to."""
        return await self._peers.gather(
            "/api/v1/windows",
            _params(query),
            lanes_of(self._worker, query.line, query.transformer),
            local=lambda lanes: self.local(query, lanes),
            read=lambda answer: [
                read_selection(answer["windows"], answer["matched_windows"])
            ],
        )


def read_query(wanted: Mapping[str, str]) -> Query:
    """Return the windows that a query string asks for.

    Raises:
        HTTPBadRequest: A parameter is not understood; names it.
    """
    sort = wanted.get("sort", "-window_start")
    if sort.removeprefix("-") not in SORT_COLUMNS:
        raise bad(f"sort is one of {', '.join(SORT_COLUMNS)}, with - for descending")
    line, transformer = (
        key(wanted[name], name) if wanted.get(name) else None
        for name in ("line", "transformer")
    )
    return Query(
        state=one_of(wanted, "state", STATES),  # type: ignore[arg-type] # it is one
        line=line,
        transformer=transformer,
        sort=sort.removeprefix("-"),
        descending=sort.startswith("-"),
        limit=number(wanted.get("limit", str(LIMIT_DEFAULT)), "limit", 1, LIMIT_MAX),
    )


def _params(query: Query) -> dict[str, str]:
    params = {
        "format": "columns",
        "state": query.state,
        "sort": ("-" if query.descending else "") + query.sort,
        "limit": str(query.limit),
    }
    if query.line is not None:
        params["line"] = str(query.line)
    if query.transformer is not None:
        params["transformer"] = str(query.transformer)
    return params
