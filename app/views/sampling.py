"""Rates, lag and progress of the lanes that are here, sampled once a second."""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiokafka.errors import KafkaError

from app.domain.windows import NO_TIME
from app.metrics.live import LaneFigures
from app.views.worker import Phase, Worker

__all__ = ["Sampler"]

INTERVAL_SECONDS = 1.0
RATE_SAMPLES = 6  # a rate is that of the last five seconds

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Lane:
    """readings holds (moment, readings seen) pairs.

    progressed_at is when the offset moved last, or when there was nothing to do.
    """

    offset: int
    progressed_at: float
    readings: deque[tuple[float, int]] = field(
        default_factory=lambda: deque(maxlen=RATE_SAMPLES)
    )
    end: int | None = None


class Sampler:
    """What a lane's state does not say itself: how fast it grows, how far it lags."""

    def __init__(
        self, worker: Worker, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._worker = worker
        self._clock = clock
        self._lanes: dict[int, _Lane] = {}
        self._replayed = -1
        self._replayed_at = clock()

    async def step(self) -> float:
        """Take a sample; return the seconds until the next one."""
        lanes = list(self._worker.states())
        ends: Mapping[int, int] = {}
        try:
            ends = await self._worker.end_offsets(lanes) if lanes else {}
        except (KafkaError, TimeoutError) as error:
            # Kafka's absence is everybody's news: a lag that is not known is said to
            # be unknown, and never counts as a stall.
            logger.debug("No end offsets: %r", error)
        self.sample(ends)
        return INTERVAL_SECONDS

    def sample(self, ends: Mapping[int, int]) -> None:
        """Take a sample; ends are the end offsets of lanes' readings, where known."""
        now = self._clock()
        states = self._worker.states()
        for gone in self._lanes.keys() - states.keys():
            del self._lanes[gone]
        for number, state in states.items():
            offset = self._worker.offset(number)
            lane = self._lanes.setdefault(number, _Lane(offset, now))
            lane.end = ends.get(number)
            if offset != lane.offset or not self.lag(number):
                lane.offset, lane.progressed_at = offset, now
            lane.readings.append((now, state.counted + state.late))
        replayed = self._worker.replayed()
        if replayed != self._replayed or self._worker.phase() is Phase.RUNNING:
            self._replayed, self._replayed_at = replayed, now

    def rate(self, lane: int) -> float | None:
        """Return a lane's readings per second; None until two samples are there."""
        sampled = self._lanes.get(lane)
        if sampled is None or len(sampled.readings) < 2:
            return None
        (begin, first), (end, last) = sampled.readings[0], sampled.readings[-1]
        return (last - first) / (end - begin) if end > begin else None

    def lag(self, lane: int) -> int | None:
        """Return the frames that a lane's state does not include; None: not known."""
        sampled = self._lanes.get(lane)
        if sampled is None or sampled.end is None:
            return None
        return max(sampled.end - 1 - self._worker.offset(lane), 0)

    def stall(self) -> str:
        """Return what has not moved for too long, in one line; empty: all is well."""
        now = self._clock()
        limit = self._worker.settings.worker.stalled_seconds
        phase = self._worker.phase()
        if phase is not Phase.RUNNING:
            seconds = now - self._replayed_at
            return f"{phase} for {seconds:.0f} s, no progress" * (seconds >= limit)
        stuck = [
            f"lane {number}: {lag} frames behind, no progress"
            f" for {now - sampled.progressed_at:.0f} s"
            for number, sampled in self._lanes.items()
            if (lag := self.lag(number)) and now - sampled.progressed_at >= limit
        ]
        return "; ".join(stuck)

    def figures(self) -> list[LaneFigures]:
        """Return the figures of the lanes that are here, as metrics show them."""
        return [
            LaneFigures(
                partition=number,
                counted=state.counted,
                late=state.late,
                closed=state.closed,
                open=sum(len(window.index) for window in state.open.values()),
                watermark=state.watermark if state.watermark > NO_TIME else math.nan,
                lag=math.nan if (lag := self.lag(number)) is None else lag,
            )
            for number, state in self._worker.states().items()
        ]
