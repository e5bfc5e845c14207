"""A lane's forecast over two logs, windows and weather, that interleave differently.

What is foreseen must not depend on which of the two logs was read faster. So a closed
window waits until the weather has come past it, in the weather's own event time and
with the same grace as readings have; by then all that was said up to the window is
known, and nothing that was said later is asked (a forecast's lead sees to that). Where
the weather stays behind by more than the patience, it is not waited for: from a dead
weather station come predictions without a temperature, not silence.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.domain.predictions import ClosedWindow, Predictions, closed_windows
from app.domain.weather import GAP_SECONDS_MAX, Weather, WeatherEvent
from app.errors import RejectedState
from app.predictor import checkpoint
from app.predictor.online import Forecaster, Learnt, Rules
from app.predictor.state import State, number, read

__all__ = ["LaneForecast", "Outcome"]

PATIENCE_SECONDS_MAX = 3 * 3_600
HELD_ROWS_MAX = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a closed window: its labels learnt, and a window foreseen.

    made is the moment at which it was, epoch seconds.
    """

    learnt: Learnt
    predictions: Predictions
    made: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    window: ClosedWindow
    made: int


class LaneForecast:
    """The weather that a lane knows, the windows that wait for it, and the models.

    first and front are the starts of the first window and of the latest one.
    """

    def __init__(self, rules: Rules, grace_seconds: int) -> None:
        self.rules = rules
        self.grace = grace_seconds
        # Of a prediction that comes late, most of the lead must be left.
        self.patience = min(PATIENCE_SECONDS_MAX, rules.lead // 4)
        self.weather = Weather(rules.size)
        self.held: deque[_Held] = deque()
        self.first: int | None = None
        self.front: int | None = None
        self.forecaster = Forecaster(rules)

    def take_windows(self, windows: Iterable[ClosedWindow], made: int) -> list[Outcome]:
        """Take windows that closed together; made is the watermark that closed them."""
        for window in windows:
            self.first = window.start if self.first is None else self.first
            self.front = max(window.start, self.front or window.start)
            self.held.append(_Held(window=window, made=made))
        return list(self._advance())

    def take_weather(self, event: WeatherEvent) -> list[Outcome]:
        """Take a temperature or a forecast."""
        self.weather.take(event)
        return list(self._advance())

    def _advance(self) -> Iterator[Outcome]:
        while self.held and self._is_due(self.held[0].window.start):
            held = self.held.popleft()
            start = held.window.start
            target = start + self.rules.lead
            celsius = self.weather.forecast(target, self.rules.lead)
            learnt, predictions = self.forecaster.advance(
                held.window, celsius, held.made
            )
            self.weather.forget(target - GAP_SECONDS_MAX)
            if len(predictions.key):
                yield Outcome(learnt=learnt, predictions=predictions, made=held.made)

    def _is_due(self, start: int) -> bool:
        clock = self.weather.clock
        if clock is not None and clock >= start + self.rules.size + self.grace:
            return True
        known_to = clock if clock is not None else self.first
        behind = (self.front or start) - (known_to or 0)
        return behind > self.patience or self._held_rows() > HELD_ROWS_MAX

    def _held_rows(self) -> int:
        return sum(len(held.window) for held in self.held)

    # State --------------------------------------------------------------------------

    def dump(self) -> Iterator[dict[str, Any]]:
        """Yield everything as JSON values, in parts of bounded size."""
        parts = checkpoint.dump(self.forecaster)
        yield {
            **next(parts),
            "weather": self.weather.state(),
            "first": self.first,
            "front": self.front,
        }
        yield from parts
        for held in self.held:
            window = held.window
            yield {
                "rows": "held",
                "start": window.start,
                "made": held.made,
                "line": window.key >> 32,
                "transformer": window.key & 0xFFFFFFFF,
                "minimum": window.minimum,
                "maximum": window.maximum,
                "mean": window.mean,
            }

    def load(self, bodies: list[State]) -> None:
        """Become what parts describe.

        Raises:
            RejectedState: The parts are malformed; names what is wrong.
        """
        self.forecaster = checkpoint.load(bodies, self.rules)
        first = bodies[0]
        self.first, self.front = (
            None if read(first, name) is None else int(number(first, name))
            for name in ("first", "front")
        )
        try:
            self.weather.restore(read(first, "weather"))
            for body in bodies[1:]:
                if body["rows"] == "held":
                    starts = np.full(len(body["line"]), body["start"], np.int64)
                    for window in closed_windows({**body, "start": starts}):
                        held = _Held(window=window, made=int(body["made"]))
                        self.held.append(held)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise RejectedState(f"models: what waits is malformed: {error!r}") from None
