"""A source of figures that is asked again and again, and may be away."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import aiohttp
from aiokafka.errors import KafkaError

from app.errors import SmartMeterError
from app.metrics import exporter as metrics
from app.metrics.families import Sample

__all__ = ["AWAY", "Source"]

# What a server that is away, slow, or not the one we take it for looks like from here.
AWAY = (
    SmartMeterError,
    KafkaError,
    aiohttp.ClientError,
    OSError,
    TimeoutError,
    LookupError,
    TypeError,
    ValueError,
)

logger = logging.getLogger(__name__)


class Source:
    """The last samples of a source; none while it does not answer."""

    def __init__(self, name: str, read: Callable[[], Awaitable[list[Sample]]]) -> None:
        self.name = name
        self._read = read
        self._samples: Sequence[Sample] = ()
        self._trouble: str | None = None

    def samples(self) -> Sequence[Sample]:
        """Return what the source said last, if it was heard the last time."""
        return self._samples

    async def ask(self, timeout_seconds: float) -> None:
        """Ask once; a source that is away is said once, and counted as silent."""
        begun = time.monotonic()
        try:
            async with asyncio.timeout(timeout_seconds):
                self._samples = await self._read()
        except AWAY as error:
            self._samples = ()
            metrics.source_silent(self.name)
            if self._trouble is None:
                logger.warning("%s does not answer: %r", self.name, error)
            self._trouble = repr(error)
        else:
            metrics.source_read(self.name, time.monotonic() - begun)
            if self._trouble is not None:
                logger.info("%s answers again.", self.name)
            self._trouble = None

    async def watch(
        self, interval_seconds: float, timeout_seconds: float, stopping: asyncio.Event
    ) -> None:
        """Ask at a steady pace until stopping is set."""
        while not stopping.is_set():
            begun = time.monotonic()
            await self.ask(timeout_seconds)
            pause = max(0.0, begun + interval_seconds - time.monotonic())
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), pause)
