"""The forecasting models of each lane, as a journaled table.

A delta holds what was read, not what came of it: the models are a pure function of it,
and a window is a hundredth of what it changes. Reading back is learning again, at some
ten microseconds a label and two hundred a window, so a snapshot is due early: before
that takes a second.
"""

import logging
from collections.abc import Iterable
from typing import Any

import orjson

from app.domain.predictions import ClosedWindow, Predictions, closed_windows
from app.domain.weather import WeatherEvent
from app.errors import RejectedState
from app.metrics import forecast as metrics
from app.predictor.lane import LaneForecast, Outcome
from app.predictor.rules import rules_of
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
    """

    fleet: LaneForecast | None = None
    latest: Predictions | None = None
    measured: float | None = None
    foretold: float | None = None

    def take(self, taken: Taken) -> list[Outcome]:
        """Take one event; return what came of it.

        Raises:
            RejectedState: A version to go back to cannot be used; nothing has changed.
        """
        if isinstance(taken, RollBack):
            self._roll_back(taken)
            return []
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
        return self.is_overdue or (self.fleet is not None and self.fleet.is_overdue)

    def _roll_back(self, command: RollBack) -> None:
        lane = self.fleet if command.name == FLEET else self
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

    def restore_bodies(self, bodies: list[Body]) -> None:
        """Become the state that the parts of a snapshot describe."""
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
    rules, grace = rules_of(settings), settings.windows.grace_seconds
    return JournaledTable(
        stage,
        journal=stage.topology.models_journal,
        sources=[
            stage.topology.windows,
            stage.topology.weather,
            stage.topology.fleet_windows,
            stage.topology.model_commands,
        ],
        new_state=lambda: ModelsState(rules, grace),
        growth_bytes_min=GROWTH_BYTES_MIN,
        keeps_former=True,
        help="Forecasting models of each lane, and predictions that wait for labels.",
    )


models = open_models(app)
