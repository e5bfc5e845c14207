"""The forecasting models of each lane, as a journaled table.

A delta holds what was read, not what came of it: the models are a pure function of it,
and a window is a hundredth of what it changes. Reading back is learning again, at some
ten microseconds a label and two hundred a window, so a snapshot is due early: before
that takes a second.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from app.domain.predictions import ClosedWindow, Predictions, closed_windows
from app.domain.weather import WeatherEvent
from app.errors import RejectedState
from app.metrics import forecast as metrics
from app.predictor.lane import LaneForecast, Outcome
from app.predictor.rules import Rules, rules_of
from app.predictor.state import read, whole
from app.wire.models import FLEET, RollBack
from app.worker import SmartMeter, app
from tables.journal import Body
from tables.table import JournaledTable

__all__ = [
    "SILENCE",
    "ModelsState",
    "entry",
    "models",
    "open_models",
    "parse",
    "rules_of",
]

GROWTH_BYTES_MIN = 256 << 10  # some 600 windows of a lane with few transformers
Taken = tuple[list[ClosedWindow], int] | WeatherEvent | RollBack | None
"""Windows that closed together and the watermark that closed them; weather; a return to
a version; or None: the weather's log has been read to its end."""

SILENCE: Body = {"weather": "silent"}

WINDOW_COLUMNS = ("start", "line", "transformer", "minimum", "maximum", "mean")
FLEET_KEY = 0  # of line 0 and transformer 0, which no transformer has
WEATHER_FIELDS = ("kind", "epoch", "celsius", "hours", "sequence")
COMMAND_FIELDS = ("name", "version", "at", "state")

logger = logging.getLogger(__name__)


class ModelsState(LaneForecast):
    """A lane's forecast that can be written to a journal and read back.

    fleet is the forecast of the fleet's maximum, in the lane that has its windows.
    latest are the last predictions made here, measured and foretold the last
    temperatures said; no journal has them, since they are for the metrics alone.
    further are the same for each further horizon, whose models' names have an ending.
    """

    fleet: LaneForecast | None = None
    latest: Predictions | None = None
    measured: float | None = None
    foretold: float | None = None

    def __init__(
        self, rules: Rules, grace_seconds: int, further: Sequence[Rules] = ()
    ) -> None:
        super().__init__(rules, grace_seconds)
        self.ending = ""
        self.further = [ModelsState(each, grace_seconds) for each in further]
        for state in self.further:
            state.ending = f"-{state.hours}h"

    @property
    def hours(self) -> int:
        """How many hours ahead these models look."""
        return self.rules.lead // 3_600

    @property
    def all_horizons(self) -> "list[ModelsState]":
        """This state and that of each further horizon."""
        return [self, *self.further]

    def take(self, taken: Taken) -> list[Outcome]:
        """Take one event; return what came of it.

        Raises:
            RejectedState: A version to go back to cannot be used; nothing has changed.
        """
        if isinstance(taken, RollBack):
            self._roll_back(taken)
            return []
        horizons = self.all_horizons
        return [each for state in horizons for each in state.take_alone(taken)]

    def take_alone(
        self, taken: "tuple[list[ClosedWindow], int] | WeatherEvent | None"
    ) -> list[Outcome]:
        """Take one event for this horizon alone."""
        if taken is None:
            outcomes = self.take_silence()
        elif isinstance(taken, WeatherEvent):
            outcomes = self.take_weather(taken)
            if taken.hours:
                self.foretold = taken.celsius
            else:
                self.measured = taken.celsius
        elif _is_fleet(taken[0]):
            return self._fleet().take_windows(*taken)
        else:
            outcomes = self.take_windows(*taken)
        if outcomes:
            self.latest = outcomes[-1].predictions
        return outcomes + self._fleet_hears(taken)

    @property
    def is_anything_overdue(self) -> bool:
        """Whether the word of the weather's silence would set a window free."""
        return any(
            state.is_overdue or (state.fleet is not None and state.fleet.is_overdue)
            for state in self.all_horizons
        )

    def _roll_back(self, command: RollBack) -> None:
        # The bare name fits every ending: what has one comes first.
        state = next(
            s for s in (*self.further, self) if command.name.endswith(s.ending)
        )
        is_fleet = command.name == FLEET + state.ending
        lane = state.fleet if is_fleet else state
        if lane is None:
            raise RejectedState("models: nothing is known of the fleet here yet")
        lane.go_back(command.version, orjson.loads(command.state))

    def _fleet(self) -> LaneForecast:
        if self.fleet is None:
            self.fleet = LaneForecast(self.rules, self.grace)
            self.fleet.weather.restore(self.weather.state())
        return self.fleet

    def _fleet_hears(self, taken: Taken) -> list[Outcome]:
        if self.fleet is None:
            return []
        if taken is None:
            return self.fleet.take_silence()
        if isinstance(taken, WeatherEvent):
            return self.fleet.take_weather(taken)
        return []

    def apply_body(self, body: Body) -> None:
        """Learn again what was read; what came of it was published before."""
        for taken in body["events"]:
            try:
                self.take(parse(taken))
            except RejectedState as error:
                # It was obeyed by a build whose features were others.
                logger.warning("A return to a version is left out: %s.", error)

    def snapshot_bodies(self) -> Iterable[Body]:
        """Return models, and rows that wait for labels, in parts of bounded size."""
        yield from self.dump()
        if self.fleet is not None:
            for part in self.fleet.dump():
                yield {"fleet": part}
        for state in self.further:
            for body in state.snapshot_bodies():
                yield {"ahead": state.rules.lead, "part": body}

    def restore_bodies(self, bodies: list[Body]) -> None:
        """Become the state that the parts of a snapshot describe.

        A horizon that the snapshot does not know begins anew, with the weather of the
        first one; one that is no longer wanted is left out.
        """
        first = [body for body in bodies if "ahead" not in body]
        if not first:
            raise RejectedState("models: nothing to restore")
        by_lead = {whole(read(first[0], "rules"), "lead", 1): first}
        for body in bodies:
            if "ahead" in body:
                lead = whole(body, "ahead", 1)
                by_lead.setdefault(lead, []).append(read(body, "part"))
        self.restore_alone(by_lead.get(self.rules.lead, first))
        for state in self.further:
            if state.rules.lead in by_lead:
                state.restore_alone(by_lead[state.rules.lead])
            else:
                state.weather.restore(self.weather.state())

    def restore_alone(self, bodies: list[Body]) -> None:
        """Become the state that the parts of this horizon alone describe."""
        self.load([body for body in bodies if "fleet" not in body])
        parts = [body["fleet"] for body in bodies if "fleet" in body]
        if parts:
            self.fleet = LaneForecast(self.rules, self.grace)
            self.fleet.load(parts)
        for lane in filter(None, (self, self.fleet)):
            if lane.forecaster.renewed:
                metrics.models_renewed()
                logger.warning(
                    "Models of %s transformers begin anew: %s.",
                    lane.forecaster.transformers,
                    lane.forecaster.renewed,
                )


def _is_fleet(windows: list[ClosedWindow]) -> bool:
    return bool(windows) and bool(windows[0].key[0] == FLEET_KEY)


def entry(fields: Body) -> dict[str, Any]:
    """Return what a journal keeps of an event: windows, weather, or a command.

    Raises:
        KeyError: It is none of them.
    """
    if "command" in fields:
        return {name: fields[name] for name in COMMAND_FIELDS}
    if "watermark" in fields:
        kept = {name: fields[name] for name in WINDOW_COLUMNS}
        return {"watermark": fields["watermark"], **kept}
    return {name: fields[name] for name in WEATHER_FIELDS}


def parse(kept: Body) -> Taken:
    """Return the event that an entry of a journal holds.

    Raises:
        KeyError, TypeError, ValueError: It is none that is known.
    """
    if kept == SILENCE:
        return None
    if "state" in kept:
        return RollBack(**kept)
    if "watermark" in kept:
        return list(closed_windows(kept)), int(kept["watermark"])
    return WeatherEvent.from_fields(kept)


def open_models(stage: SmartMeter) -> JournaledTable[ModelsState]:
    """Return the table of a stage's models."""
    settings = stage.smartmeter
    first, *further = (rules_of(settings, h) for h in settings.forecast.horizons)
    grace = settings.windows.grace_seconds
    return JournaledTable(
        stage,
        journal=stage.topology.models_journal,
        sources=[
            stage.topology.windows,
            stage.topology.weather,
            stage.topology.fleet_windows,
            stage.topology.model_commands,
        ],
        new_state=lambda: ModelsState(first, grace, further),
        growth_bytes_min=GROWTH_BYTES_MIN,
        keeps_former=True,
        help="Forecasting models of each lane, and predictions that wait for labels.",
    )


models = open_models(app)
