"""What runs beside the site, again and again, for as long as it is served."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

__all__ = ["repeating"]

RETRY_SECONDS = 5.0
CANCEL_SECONDS = 0.5

logger = logging.getLogger(__name__)


@asynccontextmanager
async def repeating(
    name: str, step: Callable[[], Awaitable[float]]
) -> AsyncIterator[None]:
    """Take a step again and again while the block runs.

    A step returns the seconds to wait until the next one. One that fails is logged and
    tried again: a fault of the view must not stop the windows.
    """

    async def steps() -> None:
        while True:
            try:
                pause = await step()
            except Exception:
                logger.exception("%s failed; again in %.0f s.", name, RETRY_SECONDS)
                pause = RETRY_SECONDS
            await asyncio.sleep(pause)

    task = asyncio.create_task(steps(), name=f"views: {name}")
    try:
        yield
    finally:
        # Once is not enough: Python 3.11's wait_for, which aiokafka uses, loses a
        # cancellation that comes together with what it waits for.
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=CANCEL_SECONDS)
