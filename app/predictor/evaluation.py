"""A lane's forecast tried over a log in one pass: the same code, and its scores.

The first labels are warm-up; then a number of labels is scored. Examples are kept as
the original printed them: its four features, the label, and what was predicted.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.domain.predictions import ClosedWindow
from app.domain.weather import WeatherEvent
from app.predictor.lane import LaneForecast, Outcome
from app.predictor.pending import matched
from app.predictor.tally import Tally

__all__ = ["EXAMPLE_COLUMNS", "Event", "Example", "Trial"]

SCALE = 50  # the original scaled its features by hand
SATURDAY = 5
EXAMPLE_EVERY = 37  # windows: not a divisor of a day, so that hours differ

EXAMPLE_COLUMNS = (
    "label",
    "voltage",
    "hour",
    "hourSin",
    "hourCos",
    "dayOfWeek",
    "temperature",
    "features",
    "prediction",
    "probability",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One scored prediction with the original's features; start in epoch seconds."""

    start: int
    voltage: float
    label: bool
    celsius: float | None
    probability: float
    alert: bool

    def row(self) -> tuple[Any, ...]:
        """Return the values of EXAMPLE_COLUMNS."""
        at = datetime.fromtimestamp(self.start, UTC)
        turn = 2 * math.pi * at.hour / 24
        sine, cosine = SCALE * math.sin(turn), SCALE * math.cos(turn)
        weekend = SCALE if at.weekday() >= SATURDAY else 0
        known = "-" if self.celsius is None else f"{self.celsius:.2f}"
        return (
            int(self.label),
            self.voltage,
            at.hour,
            sine,
            cosine,
            weekend,
            self.celsius,
            f"[{sine:.2f}, {cosine:.2f}, {weekend}, {known}]",
            float(self.alert),
            self.probability,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A drift or a new champion, and the start of the window that told it."""

    name: str
    start: int


class Trial:
    """A lane on trial: warm_up labels unscored, then labels scored (None: all)."""

    def __init__(self, lane: LaneForecast, *, warm_up: int, labels: int | None) -> None:
        self.lane = lane
        self.warm_up = warm_up
        self.labels = labels
        self.tally = Tally()
        self.drifts: list[Event] = []
        self.champions: list[Event] = []
        self.examples: list[Example] = []
        self._before: Tally | None = None
        self.scored = 0
        self._foreseen: dict[int, Outcome] = {}

    @property
    def is_complete(self) -> bool:
        """Whether all labels that were asked for are scored."""
        enough = self.labels is not None and self.scored >= self.warm_up + self.labels
        return self._before is not None and enough

    def take(
        self,
        windows: list[ClosedWindow],
        made: int,
        said: tuple[WeatherEvent, ...] = (),
    ) -> None:
        """Take windows that closed together, and before them what weather said."""
        for event in said:
            self.take_weather(event)
        self._note(self.lane.take_windows(windows, made))

    def take_silence(self) -> None:
        """Take the word that there is no more weather so far."""
        self._note(self.lane.take_silence())

    def take_weather(self, event: WeatherEvent) -> None:
        """Take what weather said."""
        self._note(self.lane.take_weather(event))

    def finish(self) -> None:
        """Keep what was scored since the warm-up."""
        if self._before is not None:
            self.tally = self.lane.forecaster.scores.total
            self.tally.vector -= self._before.vector

    def _note(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            learnt, start = outcome.learnt, outcome.predictions.made_from
            self.scored += learnt.scored
            self.drifts += [Event(name=name, start=start) for name in learnt.drifts]
            if learnt.champion:
                self.champions.append(Event(name=learnt.champion, start=start))
            if self._before is None and self.scored >= self.warm_up:
                self._before = self.lane.forecaster.scores.total
            if (start // self.lane.rules.size) % EXAMPLE_EVERY == 0:
                self._foreseen[outcome.predictions.target] = outcome

    def exemplify(self, windows: list[ClosedWindow]) -> None:
        """Keep examples of what is about to be scored."""
        for window in windows:
            outcome = self._foreseen.pop(window.start, None)
            if outcome is None or self._before is None:
                continue
            foreseen = outcome.predictions
            places, rows = matched(foreseen.key, window.key)
            for place, row in zip(places[:1], rows[:1], strict=True):
                voltage = float(window.maximum[row])
                self.examples.append(
                    Example(
                        start=window.start,
                        voltage=voltage,
                        label=voltage > self.lane.rules.threshold,
                        celsius=foreseen.celsius,
                        probability=float(foreseen.probability[place]),
                        alert=bool(foreseen.alert[place]),
                    )
                )
