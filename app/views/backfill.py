"""Windows that closed before this worker had the lane, read back from Kafka.

What closes here goes straight into the lane's memory (tables/maxima.py). A worker that
takes a lane over knows of the last windows only what the journal still says, so it
reads the end of the topic of closed windows, newest records first, until the memory
is full. The former owner published a window before its journal said so: when recovery
is complete, all of them are there.
"""

import logging
from contextlib import aclosing

from aiokafka.errors import KafkaError

from app.errors import RejectedMessage
from app.views.worker import Worker
from tables.maxima import LaneState

__all__ = ["Backfill"]

INTERVAL_SECONDS = 0.25
RETRY_SECONDS = 5.0

logger = logging.getLogger(__name__)


class Backfill:
    """Fills the memory of each lane that comes to a worker."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def step(self) -> float:
        """Fill what is not filled; return the seconds until the next look."""
        for lane, state in self._worker.states().items():
            if state.recent.is_filled:
                continue
            try:
                await self._fill(lane, state)
            except (KafkaError, TimeoutError) as error:
                logger.warning(
                    "Lane %s: what closed earlier is not shown yet: %r.", lane, error
                )
                return RETRY_SECONDS
        return INTERVAL_SECONDS

    async def _fill(self, lane: int, state: LaneState) -> None:
        try:
            async with aclosing(self._worker.last_windows(lane)) as records:
                async for rows in records:
                    if not state.recent.backfill(rows):
                        break
        except RejectedMessage as error:
            # Another build wrote it; what is still older would come after a gap.
            logger.warning("Lane %s: no older closed windows: %s", lane, error)
        state.recent.is_filled = True
