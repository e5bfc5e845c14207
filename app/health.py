"""/live, /ready and /metrics of a process that has no Faust web view."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from app.settings.web import Web
from app.tls import pages_context

__all__ = ["serve_health"]

Check = Callable[[], str]
"""Returns what is wrong, in one line; empty when all is well."""


@asynccontextmanager
async def serve_health(
    host: str, port: int, web_settings: Web, *, live: Check, ready: Check
) -> AsyncIterator[int]:
    """Serve the pages while the block runs; yield the port (0 picks a free one).

    Raises:
        SettingsError: The pages are to be encrypted, and cannot be.
    """
    encryption = pages_context(web_settings)

    def page(check: Check) -> Callable[[web.Request], object]:
        async def answer(_: web.Request) -> web.Response:
            trouble = check()
            return web.Response(
                status=503 if trouble else 200, text=(trouble or "ok") + "\n"
            )

        return answer

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    application = web.Application()
    application.router.add_get("/live", page(live))  # type: ignore[arg-type]
    application.router.add_get("/ready", page(ready))  # type: ignore[arg-type]
    application.router.add_get("/metrics", metrics)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=encryption)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
