"""Questions read and answers made: what all JSON pages share."""

from collections.abc import Collection, Mapping
from typing import Any

from aiohttp import web

from app.domain.readings import KEY_MAX, lane_of
from app.views.apart import apart
from app.views.peers import Gathered
from app.views.presentation import encode
from app.views.worker import Worker

__all__ = [
    "bad",
    "common",
    "envelope",
    "is_local",
    "json_response",
    "key",
    "lanes_asked_for",
    "lanes_of",
    "number",
    "one_of",
]

LANES_MAX = 256
COMPRESSED_BYTES_MIN = 4_096


def number(text: str, name: str, low: int, high: int) -> int:
    """Return a whole number of a query string.

    Raises:
        HTTPBadRequest: It is none, or out of its range.
    """
    # isdecimal refuses signs and spaces, which int() would take.
    decimal = text.isascii() and text.isdecimal() and len(text) <= len(str(high))
    if not decimal or not low <= int(text) <= high:
        raise bad(f"{name} is a whole number from {low} to {high}")
    return int(text)


def key(text: str, name: str) -> int:
    """Return a line, a transformer or a usage point of a query string or path."""
    return number(text, name, 0, KEY_MAX)


def one_of(wanted: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    """Return a parameter that has a few values, the first of them by default.

    Raises:
        HTTPBadRequest: It is none of them.
    """
    value = wanted.get(name, known[0])
    if value not in known:
        raise bad(f"{name} is one of {', '.join(known)}")
    return value


def bad(message: str) -> web.HTTPBadRequest:
    """Return the error for a parameter that is not understood."""
    return web.HTTPBadRequest(text=message)


def is_local(request: web.Request) -> bool:
    """Tell whether another worker asks, for what is here alone."""
    return request.query.get("local") == "1"


def lanes_asked_for(request: web.Request) -> Collection[int]:
    """Return the lanes that another worker asks for; all, if it names none."""
    if "lanes" not in request.query:
        return range(LANES_MAX)
    numbers = request.query["lanes"].split(",", LANES_MAX)
    return {number(text, "lanes", 0, LANES_MAX - 1) for text in numbers}


def lanes_of(
    worker: Worker, line: int | None, transformer: int | None
) -> Collection[int]:
    """Return the lanes that hold what is asked for."""
    lanes = worker.settings.kafka.lanes
    if line is None or transformer is None:
        return range(lanes)
    return [lane_of(line, transformer, lanes)]


def common(worker: Worker) -> dict[str, Any]:
    """Return what every answer tells: who answers, and by which rules."""
    settings = worker.settings
    return {
        "namespace": settings.namespace,
        "answered_by": worker.url(),
        "window_seconds": settings.windows.size_seconds,
        "grace_seconds": settings.windows.grace_seconds,
        "threshold_volts": settings.windows.threshold_volts,
    }


def envelope(worker: Worker, gathered: Gathered[Any]) -> dict[str, Any]:
    """Return what every answer of several workers tells: what is missing, too."""
    return {
        **common(worker),
        "answered_lanes": gathered.lanes,
        "incomplete_lanes": gathered.incomplete,
        "missing": {
            "lanes": sorted(set(gathered.wanted) - set(gathered.lanes)),
            "workers": [
                {"url": url, "reason": reason}
                for url, reason in sorted(gathered.silent.items())
            ],
        },
    }


async def json_response(body: Any, *, rows: int = 0, status: int = 200) -> web.Response:
    """Return an answer that has some rows as JSON, compressed where it pays."""
    encoded = await apart(rows, encode, body)
    response = web.Response(
        body=encoded, status=status, content_type="application/json"
    )
    if len(encoded) >= COMPRESSED_BYTES_MIN:
        response.enable_compression()
    return response
