"""The site: what is served where, under which headers, and what runs beside it."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from app.views import openapi
from app.views.access import Access
from app.views.alerts import Alerts
from app.views.api import Overview, Windows
from app.views.backfill import Backfill
from app.views.background import repeating
from app.views.downloads import Downloads
from app.views.files import Files
from app.views.health import Health
from app.views.messages import Messages
from app.views.models import Models
from app.views.pages import Pages
from app.views.peers import Peers
from app.views.pipeline import Pipeline
from app.views.predictions import Predictions
from app.views.presentation import encode
from app.views.sampling import Sampler
from app.views.streams import Streams
from app.views.top import Top
from app.views.worker import Worker

__all__ = ["mount"]

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
# A browser that was here over TLS comes over nothing else for a year.
STRICT_TRANSPORT = "max-age=31536000"

logger = logging.getLogger(__name__)


def mount(
    application: web.Application,
    worker: Worker,
    *connections: Callable[[], AbstractAsyncContextManager[None]],
) -> Sampler:
    """Add the site to an application; return what samples its figures.

    connections are open while the site is served.
    """
    sampler = Sampler(worker)
    access = Access(worker.settings.worker)
    peers = Peers(worker, access.for_peers)
    pages = Pages(worker, access)
    models = Models(worker, peers)
    messages = Messages(worker)
    steps = {"Sampling": sampler.step, "Backfill": Backfill(worker).step}
    steps |= {"Versions": models.step, "Messages": messages.step}

    async def beside(_: web.Application) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for connection in peers.running, messages.running, *connections:
                await stack.enter_async_context(connection())
            for name, step in steps.items():
                await stack.enter_async_context(repeating(name, step))
            yield

    application.cleanup_ctx.append(beside)
    streams = Streams()
    middlewares = [_errors(pages), access.middleware, streams.middleware]
    application.middlewares.extend(middlewares)
    application.on_shutdown.append(streams.close)
    application.on_response_prepare.append(_add_headers)
    application.router.add_routes(
        [
            *pages.routes,
            *Overview(worker, sampler, peers).routes,
            *_of_lanes(worker, peers),
            *models.routes,
            *messages.routes,
            *Pipeline(worker).routes,
            *openapi.routes,
            *Downloads(worker).routes,
            *Health(worker, sampler).routes,
            *Files().routes,
        ]
    )
    return sampler


def _of_lanes(worker: Worker, peers: Peers) -> Iterator[web.RouteDef]:
    for page in (Windows, Top, Alerts, Predictions):
        yield from page(worker, peers).routes


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    if request.secure:
        response.headers["Strict-Transport-Security"] = STRICT_TRANSPORT
    # Files are asked for again each time, and answered with 304 when they are the same.
    is_file = request.path.startswith("/static/")
    response.headers["Cache-Control"] = "no-cache" if is_file else "no-store"


def _errors(pages: Pages) -> Middleware:
    """Return a middleware that shows every error in the site's own words."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            detail = error.text or error.reason
            answer = _answer(request, pages, error.status, error.reason, detail)
            if "WWW-Authenticate" in error.headers:
                answer.headers["WWW-Authenticate"] = error.headers["WWW-Authenticate"]
            return answer
        except Exception:
            logger.exception("%s %s failed.", request.method, request.path)
            detail = (
                "This is a fault of the worker, not of your request; its log has it."
            )
            return _answer(request, pages, 500, "Internal error", detail)

    return middleware


def _answer(
    request: web.Request, pages: Pages, status: int, title: str, detail: str
) -> web.Response:
    if request.path.startswith("/api/"):
        body = encode({"status": status, "error": detail})
        return web.Response(body=body, status=status, content_type="application/json")
    return pages.error(status, title, detail)
