"""A lane's forecast over two logs, windows and weather, that interleave differently.

What is foreseen must not depend on which of the two logs was read faster. So a closed
window waits until the weather has come past it, in the weather's own event time and
with the same grace as readings have; by then all that was said up to the window is
known, and nothing that was said later is asked (a forecast's lead sees to that).

A weather station may fall silent. Only who reads the log can tell silence from being
behind, and says so (`take_silence`): then a window for which the weather is late by
more than the patience waits no longer. So a dead station brings predictions without a
temperature, not silence; and as the word is journaled like an event, a state that is
read back has heard it at the same place.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.domain.predictions import ClosedWindow, Predictions, closed_windows
from app.domain.weather import GAP_SECONDS_MAX, Weather, WeatherEvent
from app.errors import RejectedState
from app.predictor import checkpoint, versions
from app.predictor.online import Forecaster, Learnt, Rules
from app.predictor.past import Past
from app.predictor.state import State, number, read, whole
from app.predictor.versions import Version

__all__ = ["LaneForecast", "Outcome"]

DAY_SECONDS = 86_400
EVENTS_KEPT = 64

PATIENCE_SECONDS_MAX = 3 * 3_600
KEPT_SECONDS = 86_400  # for a fleet's forecast, which begins later and copies it
HELD_ROWS_MAX = 200_000


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of a closed window: its labels learnt, and a window foreseen.

    made is the moment at which it was, epoch seconds; version the models of that
    moment, where a day (UTC) of labels has ended.
    """

    learnt: Learnt
    predictions: Predictions
    made: int
    version: Version | None = None


@dataclass(slots=True, kw_only=True)
class _Held:
    window: ClosedWindow
    made: int


class LaneForecast:
    """The weather that a lane knows, the windows that wait for it, and the models.

    first and front are the starts of the first window and of the latest one; events
    are the last drifts, champions and returns to a version, as (start, kind, name).
    past is what was foreseen of the last windows, for people alone.
    """

    def __init__(self, rules: Rules, grace_seconds: int) -> None:
        self.rules = rules
        self.grace = grace_seconds
        # Of a prediction that comes late, most of the lead must be left.
        self.patience = min(PATIENCE_SECONDS_MAX, rules.lead // 4)
        self.weather = Weather(rules.size)
        self.held: deque[_Held] = deque()
        self._held_rows = 0
        self.first: int | None = None
        self.front: int | None = None
        self.forecaster = Forecaster(rules)
        self.events: deque[tuple[int, str, str]] = deque(maxlen=EVENTS_KEPT)
        self._day: int | None = None  # of the last version
        self.past = Past()

    def take_windows(self, windows: Iterable[ClosedWindow], made: int) -> list[Outcome]:
        """Take windows that closed together; made is the watermark that closed them."""
        for window in windows:
            self.first = window.start if self.first is None else self.first
            self.front = max(window.start, self.front or window.start)
            self._hold(_Held(window=window, made=made))
        return self._advance()

    def take_weather(self, event: WeatherEvent) -> list[Outcome]:
        """Take a temperature or a forecast."""
        self.weather.take(event)
        return self._advance()

    def take_silence(self) -> list[Outcome]:
        """Take the word that the weather's log has been read to its end."""
        return self._advance(is_silent=True)

    @property
    def is_overdue(self) -> bool:
        """Whether the word of the weather's silence would set a window free."""
        if not self.held:
            return False
        clock = self.weather.clock
        known_to = clock if clock is not None else self.first
        return (self.front or 0) - (known_to or 0) > self.patience

    def _advance(self, *, is_silent: bool = False) -> list[Outcome]:
        outcomes: list[Outcome] = []
        while self.held and (
            self._is_weather_past(self.held[0].window.start)
            or (is_silent and self.is_overdue)
            or self._held_rows > HELD_ROWS_MAX
        ):
            held = self.held.popleft()
            self._held_rows -= len(held.window)
            start = held.window.start
            target = start + self.rules.lead
            celsius = self.weather.forecast(target, self.rules.lead)
            self.past.remember(start, self.forecaster.pending.get(start, ()))
            learnt, predictions = self.forecaster.advance(
                held.window, celsius, held.made
            )
            self.weather.forget(target - GAP_SECONDS_MAX - KEPT_SECONDS)
            if learnt.drifts:
                self.events += [(start, "drift", name) for name in learnt.drifts]
            if learnt.champion:
                self.events.append((start, "champion", learnt.champion))
            if len(predictions.key):
                outcomes.append(
                    Outcome(
                        learnt=learnt,
                        predictions=predictions,
                        made=held.made,
                        version=self._version(start, held.made),
                    )
                )
        return outcomes

    def _version(self, start: int, made: int) -> Version | None:
        day = start // DAY_SECONDS
        if day == self._day:
            return None
        before, self._day = self._day, day
        # Here, and not when it is asked for: of the windows learnt so far and no more,
        # however the two logs interleave.
        if before is None or not self.forecaster.scores.scored:
            return None
        return versions.take(self.forecaster, start=start, made=made)

    def go_back(self, number: int, state: State) -> None:
        """Go back to the models of a version.

        Raises:
            RejectedState: It cannot be used here; says why, and nothing has changed.
        """
        versions.restore(self.forecaster, state)
        self.events.append((self.front or number, "version", str(number)))

    def _hold(self, held: _Held) -> None:
        self.held.append(held)
        self._held_rows += len(held.window)

    def _is_weather_past(self, start: int) -> bool:
        clock = self.weather.clock
        return clock is not None and clock >= start + self.rules.size + self.grace

    # State --------------------------------------------------------------------------

    def dump(self) -> Iterator[dict[str, Any]]:
        """Yield everything as JSON values, in parts of bounded size."""
        parts = checkpoint.dump(self.forecaster)
        yield {
            **next(parts),
            "weather": self.weather.state(),
            "first": self.first,
            "front": self.front,
            "day": self._day,
            "events": list(self.events),
            "past": self.past.head(),
        }
        yield from parts
        yield from self.past.dump(np.sort(self.forecaster.keys))
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
        keys = self.forecaster.keys
        if "past" in first and len(keys):  # earlier builds did not know it
            self.past.load(read(first, "past"), bodies, keys)
        try:
            self.weather.restore(read(first, "weather"))
            day = first.get("day")  # earlier builds knew neither this nor events
            self._day = None if day is None else whole(first, "day")
            for each in first.get("events", ()):
                start, kind, name = each
                self.events.append((int(start), str(kind), str(name)))
            for body in bodies[1:]:
                if body["rows"] == "held":
                    starts = np.full(len(body["line"]), body["start"], np.int64)
                    for window in closed_windows({**body, "start": starts}):
                        held = _Held(window=window, made=int(body["made"]))
                        self._hold(held)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise RejectedState(f"models: what waits is malformed: {error!r}") from None
