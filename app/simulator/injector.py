"""Paces the fleet's cycles against the clock, until told to stop.

An open loop: cycle n begins at its own moment, whatever the one before took, so that
the pace does not drift. After a pause the missed cycles follow as fast as they are
acknowledged, up to a bound; beyond it they are skipped and counted.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from app.clock import Clock, wall_clock
from app.metrics import simulator as metrics
from app.simulator.clock import SimulatedClock
from app.simulator.fleet import Fleet, Message
from app.simulator.publisher import Publisher

__all__ = ["Injector", "Summary"]

log = logging.getLogger(__name__)

SLICE_SECONDS = 0.01
EMIT_SECONDS = 1.0
CATCH_UP_SECONDS = 30.0
DRAIN_SECONDS_MAX = 10.0


@dataclass(slots=True, kw_only=True)
class Summary:
    """What a run published; readings and weather were acknowledged by JetStream."""

    published: int = 0
    weather: int = 0
    meters: int = 0
    slot: int = 0
    cycles: int = 0
    skipped: int = 0
    first_epoch: int | None = None
    last_epoch: int | None = None
    retried: int = 0
    errors: int = 0
    unacknowledged: int = 0
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the fields and the mean rate in readings per second."""
        rate = self.published / self.seconds if self.seconds else 0.0
        return {
            **asdict(self),
            "seconds": round(self.seconds, 3),
            "readings_per_second": round(rate, 1),
        }


class Injector:
    """Publishes cycle after cycle of one slot."""

    def __init__(
        self,
        fleet: Fleet,
        publisher: Publisher,
        clock: SimulatedClock,
        *,
        slot: int,
        keep_epoch: Callable[[int], Awaitable[None]],
        cycles_max: int | None = None,
        wall: Clock = wall_clock,
    ) -> None:
        # Wall time at the pace of the monotonic clock: a step of the system's clock
        # must not make the fleet race or rest.
        ahead = wall() - time.monotonic()
        self._wall: Clock = lambda: time.monotonic() + ahead
        self._fleet = fleet
        self._publisher = publisher
        self._clock = clock
        self._keep_epoch = keep_epoch
        self._cycles_max = math.inf if cycles_max is None else cycles_max
        self._stopping = asyncio.Event()
        self._finished = asyncio.Event()
        self._emitted = (0, 0, 0)
        self.summary = Summary(meters=len(fleet), slot=slot)

    def stop(self) -> None:
        """Publish no more; `run` waits for what is in flight and returns."""
        self._stopping.set()
        self._publisher.stop()

    async def run(self, on_progress: Callable[[Summary], None]) -> Summary:
        """Publish until stopped or done, and return what was published.

        Raises:
            StreamUnavailable: Nothing was acknowledged for too long.
        """
        begun = time.monotonic()
        reporting = asyncio.create_task(self._report(begun, on_progress))
        try:
            await self._publish_cycles()
            self.summary.unacknowledged = await self._publisher.drain(DRAIN_SECONDS_MAX)
        finally:
            # Told and not cancelled: nats-py swallows a cancellation while it flushes.
            self._finished.set()
            await reporting
            self._emit(begun)  # the last report may have been held up, keeping an epoch
        return self.summary

    async def _report(
        self, begun: float, on_progress: Callable[[Summary], None]
    ) -> None:
        while not self._finished.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(EMIT_SECONDS):
                    await self._finished.wait()
            self._emit(begun)
            on_progress(self.summary)
            await self._keep()

    async def _publish_cycles(self) -> None:
        cycle = max(0, self._clock.cycle_at(self._wall()))
        while self.summary.cycles < self._cycles_max and not self._stopping.is_set():
            if self._clock.has_caught_up(cycle):
                log.info("Simulated time has caught up: a cycle every 900 s from now.")
            await self._wait_until(self._clock.begins_at(cycle))
            if self._stopping.is_set():
                break
            cycle += self._skip(cycle)
            epoch = self._clock.epoch(cycle)
            messages = self._fleet.cycle(epoch)
            self.summary.first_epoch = self.summary.first_epoch or epoch
            self.summary.last_epoch = epoch
            metrics.epoch_published(self.summary.slot, epoch)
            sent = await self._publish_paced(cycle, messages)
            self.summary.cycles += sent == len(messages)
            cycle += 1

    def _skip(self, cycle: int) -> int:
        """Return how many cycles to leave out, having fallen too far behind."""
        period = self._clock.period_seconds
        if not period:
            return 0
        behind = self._wall() - self._clock.begins_at(cycle)
        if behind <= CATCH_UP_SECONDS + period:
            return 0
        skipped = max(0, self._clock.cycle_at(self._wall()) - cycle)
        if skipped:
            log.warning("%.0f s behind the clock: %d cycles skipped.", behind, skipped)
            self.summary.skipped += skipped
            metrics.cycles_skipped(self.summary.slot, skipped)
        return skipped

    async def _publish_paced(self, cycle: int, messages: list[Message]) -> int:
        """Spread a cycle over its period; return how many messages were sent."""
        period = self._clock.period_seconds
        begins_at = self._clock.begins_at(cycle)
        sent = 0
        while sent < len(messages) and not self._stopping.is_set():
            share = (self._wall() - begins_at) / period if period else 1.0
            due = min(len(messages), 1 + int(len(messages) * share))
            if due > sent:
                done = await self._publisher.publish(messages[sent:due])
                sent += done
            else:
                await self._wait_until(self._wall() + SLICE_SECONDS)
        return sent

    async def _wait_until(self, wall: float) -> None:
        delay = wall - self._wall()
        if delay > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._stopping.wait()

    async def _keep(self) -> None:
        if self.summary.last_epoch is not None and not self._publisher.trouble:
            await self._keep_epoch(self.summary.last_epoch)

    def _emit(self, begun: float) -> None:
        """Sum up since the last time, then count: no metric per reading."""
        tally, summary = self._publisher.tally, self.summary
        summary.published, summary.weather = tally.readings, tally.weather
        summary.errors, summary.retried = tally.errors, tally.retried
        summary.seconds = time.monotonic() - begun
        readings, weather, errors = self._emitted
        metrics.readings_published(summary.slot, tally.readings - readings)
        metrics.weather_published(summary.slot, tally.weather - weather)
        metrics.publish_failed(summary.slot, tally.errors - errors)
        metrics.messages_in_flight(summary.slot, len(self._publisher))
        self._emitted = (tally.readings, tally.weather, tally.errors)
