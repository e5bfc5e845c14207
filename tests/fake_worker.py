"""A worker for the views without Kafka: its lanes hold windows that a test made up."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import numpy as np

from app import settings
from app.domain.alert_rules import ClosedRows
from app.domain.alerts import LaneAlerts
from app.domain.predictions import ClosedWindow
from app.domain.readings import lane_of
from app.domain.windows import Delta, WindowRows, pack_keys
from app.errors import RejectedQuery, SinkUnavailable
from app.sinks.versions import StoredVersion
from app.views.worker import Phase, Positions, Worker
from app.wire.alerts import decode_command
from tables.alerts import rules_of as rules_of_alerts
from tables.maxima import LaneState, rules_of
from tables.models import ModelsState
from tables.models import rules_of as forecast_rules

FIRST_START = 1_479_513_600  # 2016-11-19T00:00:00Z


class FakeWorker:
    """State of a worker that a test can change; `worker` is how the views see it."""

    def __init__(
        self,
        *,
        url: str = "http://127.0.0.1:6066",
        owned: range | list[int] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings.load(environ or {})
        self.url = url
        owned = range(self.settings.kafka.lanes) if owned is None else owned
        rules = rules_of(self.settings.windows)
        self.states = {lane: LaneState(rules) for lane in owned}
        self.owners = {url: list(owned)}
        self.offsets = dict.fromkeys(owned, 99)
        self.ends = dict.fromkeys(owned, 100)
        self.phase = Phase.RUNNING
        self.replayed = 0
        foreseen, *further = (
            forecast_rules(self.settings, hours)
            for hours in self.settings.forecast.horizons
        )
        grace = self.settings.windows.grace_seconds
        self.models = {lane: ModelsState(foreseen, grace, further) for lane in owned}
        self.forecasts = {lane: each.forecaster for lane, each in self.models.items()}
        self.orders: list[tuple[int, bytes]] = []
        self.stored: list[StoredVersion] = []
        self.stored_text = "{}"
        self.away = ""
        alert_rules = rules_of_alerts(self.settings)
        self.alerts = {lane: LaneAlerts(alert_rules) for lane in owned}
        self.commands: list[tuple[int, bytes]] = []
        self.published: dict[int, list[WindowRows]] = {}
        self.failures: list[Exception] = []
        self.positions = Positions(ends={}, committed={})
        self.hold: asyncio.Event | None = None

    @property
    def worker(self) -> Worker:
        return Worker(
            settings=self.settings,
            url=lambda: self.url,
            owners=lambda: self.owners,
            states=lambda: self.states,
            offset=lambda lane: self.offsets[lane],
            phase=lambda: self.phase,
            replayed=lambda: self.replayed,
            forecasts=lambda: self.forecasts,
            end_offsets=self._end_offsets,
            last_windows=self._last_windows,
            positions=self._positions,
            rebalances=lambda: 3,
            alerts=lambda: self.alerts,
            command=self._command,
            models=lambda: self.models,
            order=self._order,
            stored_versions=self._stored_versions,
            stored_state=self._stored_state,
        )

    async def _command(self, lane: int, value: bytes) -> None:
        """Take a command as the agent would, once the broker has it."""
        if self.failures:
            raise self.failures[0]
        self.commands.append((lane, value))
        command = decode_command(value)
        self.alerts[lane].acknowledge(command.alert, command.at)

    async def _order(self, lane: int, value: bytes) -> None:
        if self.failures:
            raise self.failures[0]
        self.orders.append((lane, value))

    def _stored_versions(self, names: Sequence[str], limit: int) -> list[StoredVersion]:
        if self.away:
            raise SinkUnavailable(self.away)
        found = []
        for name in names:
            found += [each for each in self.stored if each.name == name][:limit]
        return found

    def _stored_state(self, name: str, number: int) -> tuple[StoredVersion, str]:
        for each in self._stored_versions([name], 1_000):
            if each.number == number:
                return each, self.stored_text
        raise RejectedQuery(f"no version {number} of {name} is stored")

    def alarm(self, *, transformers: int, starts: int, seed: int = 1) -> None:
        """Let every lane raise and clear alerts by windows, from FIRST_START on."""
        random = np.random.default_rng(seed)
        size = self.settings.windows.size_seconds
        for lane, alerts in self.alerts.items():
            mine = [p for p in pairs(transformers) if lane_of(*p, self.lanes) == lane]
            for number in range(starts):
                rows = some_windows(random, mine, FIRST_START + number * size)
                verdicts = self.settings.windows.profile.verdicts(
                    rows.minimum, rows.maximum, rows.mean
                )
                names = ("start", "line", "transformer", "count", "over", "usagepoint")
                volts = ("minimum", "maximum", "mean")
                columns = {name: getattr(rows, name) for name in (*names, *volts)}
                alerts.take(ClosedRows.from_columns(columns | {"verdict": verdicts}))

    async def _end_offsets(self, lanes: list[int]) -> Mapping[int, int]:
        if self.failures:
            raise self.failures[0]
        return {lane: self.ends[lane] for lane in lanes}

    async def _positions(self) -> Positions:
        if self.failures:
            raise self.failures[0]
        if self.hold:
            await self.hold.wait()
        return self.positions

    async def _last_windows(self, lane: int) -> AsyncGenerator[WindowRows, None]:
        if self.failures:
            raise self.failures[0]
        for rows in reversed(self.published.get(lane, [])):
            yield rows

    def add(self, lane: int, rows: WindowRows, *, watermark: int) -> None:
        """Add windows to a lane, and let its time reach a watermark."""
        state = self.states[lane]
        state.apply(
            Delta(
                sequence=state.sequence + len(rows),
                watermark=watermark,
                counted=int(rows.count.sum()),
                late=0,
                rows=rows,
            )
        )

    def fill(self, *, transformers: int, starts: int, seed: int = 1) -> None:
        """Give every lane windows of some transformers, from FIRST_START on."""
        random = np.random.default_rng(seed)
        size = self.settings.windows.size_seconds
        for lane in self.states:
            mine = [p for p in pairs(transformers) if lane_of(*p, self.lanes) == lane]
            for number in range(starts):
                start = FIRST_START + number * size
                self.add(
                    lane, some_windows(random, mine, start), watermark=start + size // 2
                )

    def foresee(
        self, *, transformers: int, starts: int, until: int = 0, seed: int = 1
    ) -> None:
        """Let every lane foresee, score and learn windows around FIRST_START."""
        random = np.random.default_rng(seed)
        size = self.settings.windows.size_seconds
        for lane, forecaster in self.forecasts.items():
            mine = [p for p in pairs(transformers) if lane_of(*p, self.lanes) == lane]
            for number in range(-starts, until):
                start = FIRST_START + number * size
                came = forecaster.pending.get(start, ())
                self.models[lane].past.remember(start, came)
                rows = some_windows(random, mine, start)
                window = ClosedWindow(
                    start=start,
                    key=rows.key,
                    minimum=rows.minimum.astype(np.float64),
                    maximum=rows.maximum.astype(np.float64),
                    mean=rows.mean,
                )
                forecaster.advance(window, 12.0, start + 2 * size)
                for state in self.models[lane].further:
                    state.forecaster.advance(window, 12.0, start + 2 * size)

    @property
    def lanes(self) -> int:
        return self.settings.kafka.lanes


def pairs(transformers: int) -> list[tuple[int, int]]:
    """Lines and transformers: 11/1, 12/1, 13/1, 11/2 and so on."""
    return [(11 + number % 3, 1 + number // 3) for number in range(transformers)]


def windows_of(start: int, *rows: tuple[Any, ...]) -> WindowRows:
    """Windows of a start, from (line, transformer, count, min, mean, max, at, over)."""
    rows = tuple(sorted(rows))
    columns = zip(*rows, strict=True) if rows else ((),) * 8
    line, transformer, count, minimum, mean, maximum, point, over = columns
    counts = np.array(count, np.int64)
    return WindowRows(
        start=np.full(len(rows), start, np.int64),
        key=pack_keys(np.array(line, np.int32), np.array(transformer, np.int32)),
        count=counts,
        minimum=np.array(minimum, np.float32),
        maximum=np.array(maximum, np.float32),
        total=np.rint(np.array(mean) * counts * 1e6).astype(np.int64),
        usagepoint=np.array(point, np.int32),
        over=np.array(over, np.int64),
    )


def some_windows(
    random: np.random.Generator, pairs: list[tuple[int, int]], start: int
) -> WindowRows:
    """Windows of a start that look like a day's: higher at noon, with some noise."""
    hour = start % 86_400 / 3_600
    level = 114.2 + 2.0 * np.sin((hour - 8) / 24 * 2 * np.pi)
    rows = []
    for line, transformer in pairs:
        low, middle, high = np.sort(level + random.normal(0, 0.55, 3))
        count = int(random.integers(40, 75))
        over = int(count * max(0.0, high - 116.0) / 3)
        rows.append(
            (
                line,
                transformer,
                count,
                low,
                middle,
                high,
                int(random.integers(1, 72)),
                over,
            )
        )
    return windows_of(start, *rows)
