"""/live, /ready and /metrics of a live worker."""

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from app.views.sampling import Sampler
from app.views.worker import Worker

__all__ = ["Health"]


class Health:
    """Handlers for whoever supervises or measures the worker."""

    def __init__(self, worker: Worker, sampler: Sampler) -> None:
        self._worker = worker
        self._sampler = sampler

    @property
    def routes(self) -> list[web.RouteDef]:
        """Every path of the health pages."""
        return [
            web.get("/live", self.live),
            web.get("/ready", self.ready),
            web.get("/metrics", self.metrics),
        ]

    async def live(self, _: web.Request) -> web.Response:
        """Answer 503 when a restart is the only hope: work to do, and no progress."""
        return _verdict(self._sampler.stall())

    async def ready(self, _: web.Request) -> web.Response:
        """Answer 503 while this worker cannot answer for its lanes."""
        return _verdict(self._worker.trouble)

    async def metrics(self, _: web.Request) -> web.Response:
        """Answer with all metrics of this process, for Prometheus."""
        return web.Response(
            body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )


def _verdict(trouble: str) -> web.Response:
    return web.Response(status=503 if trouble else 200, text=(trouble or "ok") + "\n")
