"""What `smartmeter evaluate` runs: a source of windows, and a trial for each lane."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from app.connections import kafka_options, knock_at_kafka
from app.domain.predictions import closed_windows
from app.domain.readings import lane_of
from app.domain.weather import WeatherEvent
from app.errors import SettingsError
from app.predictor.evaluation import Example, Trial
from app.predictor.lane import LaneForecast
from app.predictor.online import Rules
from app.predictor.scores import figures
from app.predictor.tally import Tally
from app.settings import Settings
from app.simulator import closed
from app.simulator.clock import EPOCH_SECONDS
from app.simulator.household import load_minutes
from app.simulator.population import counts, meters
from app.simulator.voltage import Options
from app.topology import Topology
from app.wire.events import decode_event

__all__ = ["Kind", "Plan", "Report", "run"]

DAY_SECONDS = 86_400
HOUSEHOLD_START = 1_166_400_000  # 2006-12-18, the first Monday of the minutes
Kind = Literal["drifts", "champions"]
FLEET = (0, 0)  # the fleet's own line and transformer


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is tried: the options of the command, with the settings' defaults."""

    source: str
    of: str
    rules: Rules
    grace: int
    lanes: int
    warm_up: int
    labels: int
    rate: int
    bias: bool
    seed: int
    start: int
    change: closed.Change
    change_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something that was found in a lane, and the start of the window that told it."""

    lane: int
    name: str
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of it: the scores, the trials, and processor time within the code."""

    figures: dict[str, Any]
    trials: dict[int, Trial]
    seconds: float

    @property
    def microseconds_per_label(self) -> float:
        """Return the processor time to predict and learn a label."""
        learnt = sum(trial.scored for trial in self.trials.values())
        return self.seconds / max(learnt, 1) * 1e6

    def examples(self) -> list[Example]:
        """Return the examples of all lanes in the order of time, one a window."""
        every = [each for trial in self.trials.values() for each in trial.examples]
        by_start = {each.start: each for each in reversed(every)}
        return [by_start[start] for start in sorted(by_start)]

    def found(self, kind: Kind) -> list[Found]:
        """Return the drifts, or the changes of champion, in the order of time."""
        events = (
            Found(lane=lane, name=event.name, start=event.start)
            for lane, trial in self.trials.items()
            for event in getattr(trial, kind)
        )
        return sorted(events, key=attrgetter("start"))


def run(settings: Settings, plan: Plan) -> Report:
    """Try the plan in one pass.

    Raises:
        SettingsError: The source has not what the plan asks for.
    """
    if plan.source == "stored":
        trials, seconds = asyncio.run(_stored(settings, plan))
    else:
        windows = _household(plan) if plan.source == "household" else _generated(plan)
        trials, seconds = _closed(plan, windows)
    tally = Tally()
    for trial in trials.values():
        trial.finish()
        tally.vector += trial.tally.vector
    return Report(figures=figures(tally), trials=trials, seconds=seconds)


# Generated and measured ------------------------------------------------------------


def _generated(plan: Plan) -> Iterator[closed.Closed]:
    if plan.rules.size % EPOCH_SECONDS:
        raise SettingsError("evaluate: generated windows are multiples of 900 s")
    windows = closed.generated(
        meters(counts(plan.rate), slot=1),
        Options(seed=plan.seed, bias=plan.bias),
        start=plan.start - plan.start % plan.rules.size,
        size=plan.rules.size,
        change=plan.change,
        change_at=plan.start + int(plan.change_after * DAY_SECONDS),
    )
    return map(_of_fleet, windows) if plan.of == "fleet" else windows


def _of_fleet(window: closed.Closed) -> closed.Closed:
    columns = window.columns
    fleet = {
        "start": [window.start],
        "line": [FLEET[0]],
        "transformer": [FLEET[1]],
        "minimum": [columns["minimum"].min()],
        "maximum": [columns["maximum"].max()],
        "mean": [columns["mean"].mean()],
    }
    return closed.Closed(start=window.start, columns=fleet, weather=window.weather)


def _household(plan: Plan) -> Iterator[closed.Closed]:
    if plan.rules.size % 60:
        raise SettingsError("evaluate: a household's windows are whole minutes")
    voltage = load_minutes()[:, 0]
    return closed.household(voltage, start=HOUSEHOLD_START, size=plan.rules.size)


def _closed(
    plan: Plan, windows: Iterator[closed.Closed]
) -> tuple[dict[int, Trial], float]:
    first = next(windows)
    lane_rows = _lanes(plan, first.columns)
    every = len(first.columns["line"])
    trials = {n: _trial(plan, len(rows) / every) for n, rows in lane_rows.items()}
    seconds = 0.0
    windows = itertools.chain([first], windows)
    # By the day: what generates windows would else be in the cache's way, each time.
    while day := list(itertools.islice(windows, DAY_SECONDS // plan.rules.size)):
        for lane, rows in lane_rows.items():
            seconds += _try(plan, trials[lane], [_of_lane(each, rows) for each in day])
        if all(trial.is_complete for trial in trials.values()):
            break
    return trials, seconds


def _of_lane(window: closed.Closed, rows: list[int]) -> closed.Closed:
    columns = {k: np.asarray(v)[rows] for k, v in window.columns.items()}
    return closed.Closed(start=window.start, columns=columns, weather=window.weather)


def _try(plan: Plan, trial: Trial, day: list[closed.Closed]) -> float:
    """Let a trial take a day's windows; return the processor time it took."""
    taken = [(list(closed_windows(each.columns)), each) for each in day]
    # To look at this clock is a call of the system: at each window, and with columns
    # read in between, it cost a tenth of what it was to measure.
    began = time.process_time()
    for windows, each in taken:
        if trial.is_complete:
            break
        trial.exemplify(windows)
        trial.take(windows, each.start + plan.rules.size + plan.grace, each.weather)
        trial.take_silence()
    return time.process_time() - began


def _lanes(plan: Plan, columns: Mapping[str, Any]) -> dict[int, list[int]]:
    rows: dict[int, list[int]] = {}
    for row, (line, transformer) in enumerate(
        zip(columns["line"], columns["transformer"], strict=True)
    ):
        rows.setdefault(lane_of(line, transformer, plan.lanes), []).append(row)
    return rows


def _trial(plan: Plan, share: float) -> Trial:
    return Trial(
        LaneForecast(plan.rules, plan.grace),
        warm_up=round(plan.warm_up * share),
        labels=round(plan.labels * share),
    )


# Stored ----------------------------------------------------------------------------


async def _stored(settings: Settings, plan: Plan) -> tuple[dict[int, Trial], float]:
    topology = Topology(settings)
    topics = topology.windows.name, topology.weather.name
    await knock_at_kafka(settings)
    consumer = AIOKafkaConsumer(**kafka_options(settings), enable_auto_commit=False)
    try:
        await consumer.start()
        trials: dict[int, Trial] = {}
        seconds = 0.0
        for lane in range(plan.lanes):
            trial = _trial(plan, 1 / plan.lanes)
            async for taken in _merged(consumer, topics, lane):
                seconds += _take(trial, taken)
                if trial.is_complete:
                    break
            trials[lane] = trial
    except KafkaError as error:
        servers = settings.kafka.servers
        raise SettingsError(f"evaluate: Kafka at {servers}: {error}") from None
    finally:
        await consumer.stop()
    return trials, seconds


def _take(trial: Trial, taken: dict[str, Any] | None) -> float:
    """Let a trial take an event; return the processor time it took."""
    if taken is not None and "watermark" in taken:
        windows, made = list(closed_windows(taken)), int(taken["watermark"])
        trial.exemplify(windows)
        began = time.process_time()
        trial.take(windows, made)
        return time.process_time() - began
    began = time.process_time()
    if taken is None:
        trial.take_silence()
    else:
        trial.take_weather(WeatherEvent.from_fields(taken))
    return time.process_time() - began


async def _merged(
    consumer: Any, topics: Iterable[str], lane: int
) -> AsyncIterator[dict[str, Any] | None]:
    """Yield a lane's windows and weather in the order of their writing.

    None stands for: there is no more weather.
    """
    places = [TopicPartition(topic, lane) for topic in topics]
    consumer.assign(places)
    # Not seek_to_beginning: right after assign it finds no partition to seek in.
    for place, begin in (await consumer.beginning_offsets(places)).items():
        consumer.seek(place, begin)
    ends = await consumer.end_offsets(places)
    heads: dict[Any, Any] = {}
    while True:
        for place in places:
            if place not in heads and await consumer.position(place) < ends[place]:
                heads[place] = await consumer.getone(place)
        if not heads:
            return
        place = min(heads, key=lambda each: heads[each].timestamp)
        yield decode_event(heads.pop(place).value)
        if (
            places[1] not in heads
            and await consumer.position(places[1]) >= ends[places[1]]
        ):
            yield None
