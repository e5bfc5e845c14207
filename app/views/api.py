"""The JSON of the views, under /api/v1/."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from aiohttp import web

from app.domain.readings import KEY_MAX
from app.views.cluster import Cluster, Found
from app.views.presentation import csv_text, encode, window_columns, window_objects
from app.views.selection import SORT_COLUMNS, Query
from app.views.worker import Worker

__all__ = ["Api"]

LANES_MAX = 256
LIMIT_MAX = 50_000
LIMIT_DEFAULT = 1_000
STATES = ("open", "closed", "all")
FORMATS = ("rows", "columns", "csv")
COMPRESSED_BYTES_MIN = 4_096


class Api:
    """Handlers of the JSON pages."""

    def __init__(self, worker: Worker, cluster: Cluster) -> None:
        self._worker = worker
        self._cluster = cluster

    @property
    def routes(self) -> list[web.RouteDef]:
        """Every path of the API."""
        return [
            web.get("/api/v1/overview", self.overview),
            web.get("/api/v1/windows", self.windows),
            web.get(
                r"/api/v1/transformers/{line:\d+}/{transformer:\d+}", self.transformer
            ),
        ]

    async def overview(self, request: web.Request) -> web.Response:
        """Answer with the figures of all workers, or with local=1 this one's."""
        if _is_local(request):
            return _json(self._cluster.local_overview())
        return _json({**self._rules(), **await self._cluster.overview()})

    async def windows(self, request: web.Request) -> web.Response:
        """Answer with windows, open and recently closed: state, line, transformer.

        sort is a column's name, with `-` for the largest first; limit bounds the rows;
        format is rows, columns or csv.
        """
        query = read_query(request.query)
        kind = _one_of(request.query, "format", FORMATS)
        if _is_local(request):
            found = await self._cluster.local_windows(query, _lanes(request.query))
        else:
            found = await self._cluster.windows(query)
        if kind == "csv":
            columns = window_columns(found.selection, self._worker.profile)
            text = await asyncio.to_thread(csv_text, columns)
            return web.Response(text=text, content_type="text/csv")
        body = await asyncio.to_thread(self._windows_body, found, query, kind)
        return _json(body)

    async def transformer(self, request: web.Request) -> web.Response:
        """Answer with all that is in memory of one transformer, newest window first."""
        query = Query(
            line=_key(request.match_info["line"], "line"),
            transformer=_key(request.match_info["transformer"], "transformer"),
        )
        found = await self._cluster.windows(query)
        (lane,) = self._cluster.lanes(query)
        owners = self._worker.owners()
        body = {
            "line": query.line,
            "transformer": query.transformer,
            "lane": lane,
            "worker": next((u for u, lanes in owners.items() if lane in lanes), None),
            **self._windows_body(found, query, "rows"),
        }
        if lane not in found.lanes:
            status = 503
        else:
            status = 200 if len(found.selection.rows) else 404
        return _json(body, status=status)

    def _rules(self) -> dict[str, Any]:
        settings = self._worker.settings
        return {
            "namespace": settings.namespace,
            "answered_by": self._worker.url(),
            "window_seconds": settings.windows.size_seconds,
            "grace_seconds": settings.windows.grace_seconds,
            "threshold_volts": settings.windows.threshold_volts,
        }

    def _windows_body(self, found: Found, query: Query, kind: str) -> dict[str, Any]:
        columns = window_columns(found.selection, self._worker.profile)
        return {
            **self._rules(),
            "matched_windows": found.selection.matched,
            "returned_windows": len(found.selection.rows),
            "answered_lanes": found.lanes,
            "incomplete_lanes": found.incomplete,
            "missing": {
                "lanes": sorted(set(self._cluster.lanes(query)) - set(found.lanes)),
                "workers": [
                    {"url": url, "reason": reason}
                    for url, reason in sorted(found.silent.items())
                ],
            },
            "windows": columns if kind == "columns" else window_objects(columns),
        }


def read_query(wanted: Mapping[str, str]) -> Query:
    """Return the windows that a query string asks for.

    Raises:
        HTTPBadRequest: A parameter is not understood; names it.
    """
    sort = wanted.get("sort", "-window_start")
    if sort.removeprefix("-") not in SORT_COLUMNS:
        raise _bad(f"sort is one of {', '.join(SORT_COLUMNS)}, with - for descending")
    state = _one_of({"state": wanted.get("state", "all")}, "state", STATES)
    return Query(
        state=state,  # type: ignore[arg-type] # _one_of has made sure
        line=_key(wanted["line"], "line") if wanted.get("line") else None,
        transformer=(
            _key(wanted["transformer"], "transformer")
            if wanted.get("transformer")
            else None
        ),
        sort=sort.removeprefix("-"),
        descending=sort.startswith("-"),
        limit=_number(wanted.get("limit", str(LIMIT_DEFAULT)), "limit", 1, LIMIT_MAX),
    )


def _lanes(wanted: Mapping[str, str]) -> Collection[int]:
    """Return the lanes that another worker asks for; all, if it names none."""
    if "lanes" not in wanted:
        return range(LANES_MAX)
    numbers = wanted["lanes"].split(",", LANES_MAX)
    return {_number(number, "lanes", 0, LANES_MAX - 1) for number in numbers}


def _one_of(wanted: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    value = wanted.get(name, known[0])
    if value not in known:
        raise _bad(f"{name} is one of {', '.join(known)}")
    return value


def _key(text: str, name: str) -> int:
    return _number(text, name, 0, KEY_MAX)


def _number(text: str, name: str, low: int, high: int) -> int:
    # isdecimal refuses signs and spaces; int() would take them, and more digits than
    # any number here has.
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(high))):
        raise _bad(f"{name} is a whole number from {low} to {high}")
    if not low <= int(text) <= high:
        raise _bad(f"{name} is a whole number from {low} to {high}")
    return int(text)


def _bad(message: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=message)


def _is_local(request: web.Request) -> bool:
    return request.query.get("local") == "1"


def _json(body: Any, *, status: int = 200) -> web.Response:
    encoded = encode(body)
    response = web.Response(
        body=encoded, status=status, content_type="application/json"
    )
    if len(encoded) >= COMPRESSED_BYTES_MIN:
        response.enable_compression()
    return response
