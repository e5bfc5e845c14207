"""The forecast agent: closed windows and weather in, predictions out.

Each closed window is first scored and learnt by the predictions made for it one
horizon before, then foreseen from. Replays foresee the same to the letter, however the
two topics interleave: app/predictor/lane.py says by which rule, in event time.
"""

import logging
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

from aiokafka.errors import IllegalStateError
from faust.types import TP

from app.domain.weather import Silence
from app.errors import RejectedMessage, RejectedState
from app.metrics import forecast as metrics
from app.metrics.forecast import ForecastFigures
from app.predictor import drift
from app.predictor.lane import Outcome
from app.predictor.online import MODELS
from app.predictor.scores import figures as scored_figures
from app.wire.events import decode_event, encode_event
from app.wire.models import (
    FLEET,
    RollBack,
    decode_roll_back,
    encode_version,
    ending,
    lane_name,
)
from app.worker import Result, app
from tables.models import FLEET_KEY, SILENCE, ModelsState, entry, models, parse
from tables.table import Change

__all__ = ["change", "figures", "forecast"]

logger = logging.getLogger(__name__)
silence = Silence(10.0)
topology = app.topology
settings = app.smartmeter


@app.agent(app.channel_for(*models.sources), name="forecast")
async def forecast(stream: Any) -> None:
    """Foresee each transformer's maximum a horizon ahead; learn from what came."""
    await models.consume(stream, fold)


def fold(lane: int, state: ModelsState, events: Sequence[Any]) -> Change:
    """Take events, and hear whether the weather has fallen silent."""
    is_silent = _is_silent(lane, events, time.monotonic())
    return change(lane, state, events, is_silent=is_silent)


def change(
    lane: int, state: ModelsState, events: Sequence[Any], *, is_silent: bool
) -> Change:
    """Take windows and weather; results are predictions."""
    taken: list[Any] = []
    results: list[Result] = []
    for event in events:
        message = event.message
        try:
            if message.topic == topology.model_commands.name:
                decode_roll_back(event.value)
            kept = entry(decode_event(event.value))
            parsed = parse(kept)
        except (RejectedMessage, KeyError, TypeError, ValueError) as error:
            # Only our own stages write here; another build, perhaps.
            logger.warning(
                "%s/%s at %s is of no use to the forecast: %r",
                message.topic,
                message.partition,
                message.offset,
                error,
            )
            continue
        if isinstance(parsed, RollBack):
            if _rolls_back(lane, state, parsed):
                taken.append(kept)
            continue
        taken.append(kept)
        results += _results(lane, state.take(parsed))
    if is_silent and state.is_anything_overdue:
        taken.append(SILENCE)
        results += _results(lane, state.take(None))
    return Change(body={"events": taken}, results=results)


def _rolls_back(lane: int, state: ModelsState, command: RollBack) -> bool:
    """Let models go back to a version; return whether it could be used here."""
    try:
        state.take(command)
    except RejectedState as error:
        metrics.roll_back_refused()
        logger.warning("%s of lane %s stays: %s.", command.name, lane, error)
        return False
    metrics.rolled_back()
    logger.info("%s is version %s again.", command.name, command.version)
    return True


def _is_silent(lane: int, events: Sequence[Any], now: float) -> bool:
    """Tell whether the weather was read to its end a while ago, and none has come.

    The one look at a clock: the bridge carries weather and readings side by side, and
    either may come first after an outage. What is heard here is journaled.
    """
    place = TP(topology.weather.name, lane)
    new = [e.message.offset for e in events if e.message.topic == place.topic]
    read = new[-1] if new else models.offset(lane, topology.weather)
    try:
        end = app.consumer.highwater(place)  # known from the first fetch on
    except (AssertionError, IllegalStateError):
        end = None  # the lane is on its way to another worker
    nothing_more = not new and end is not None and read + 1 >= end
    return silence.look(lane, nothing_more=nothing_more, now=now)


def _results(lane: int, outcomes: Sequence[Outcome]) -> list[Result]:
    for outcome in outcomes:
        _report(lane, outcome)
    return [result for each in outcomes for result in _published(lane, each)]


def _published(lane: int, outcome: Outcome) -> Iterator[Result]:
    yield _predictions(lane, outcome)
    version = outcome.version
    if version is None:
        return
    is_fleet = outcome.predictions.key[0] == FLEET_KEY
    last = ending(_hours(outcome), settings.forecast.horizons)
    for value in encode_version(
        (FLEET if is_fleet else lane_name(lane)) + last,
        version=version.number,
        made=version.made,
        summary=version.summary,
        state=version.state,
    ):
        yield topology.model_versions, lane, value
    metrics.version_published()


def _predictions(lane: int, outcome: Outcome) -> Result:
    foreseen = outcome.predictions
    metrics.predictions_made(len(foreseen.key))
    value = encode_event(
        {
            "lane": lane,
            "made": outcome.made,
            "hours": _hours(outcome),
            "threshold": settings.windows.threshold_volts,
            "temperature": foreseen.celsius,
            "epoch": [foreseen.target] * len(foreseen.key),
            "line": foreseen.key >> 32,
            "transformer": foreseen.key & 0xFFFFFFFF,
            "probability": foreseen.probability,
            "alert": foreseen.alert,
        }
    )
    return topology.predictions, lane, value


def _hours(outcome: Outcome) -> int:
    foreseen = outcome.predictions
    return (foreseen.target - foreseen.made_from) // 3_600


def _report(lane: int, outcome: Outcome) -> None:
    learnt = outcome.learnt
    start = outcome.predictions.made_from
    for name in learnt.drifts:
        metrics.drift_found(name)
        logger.info("Lane %s: drift: %s has risen at %s.", lane, name, start)
    if learnt.champion:
        metrics.champion_changed(learnt.champion)
        logger.info(
            "Lane %s: %s is the champion from %s.", lane, learnt.champion, start
        )


def figures() -> Iterator[ForecastFigures]:
    """Yield the figures of the lanes that this worker forecasts."""
    for lane, state in models.states.items():
        scores = state.forecaster.scores
        week = scored_figures(scores.week)
        published = week.get("published", {})
        latest = state.latest
        yield ForecastFigures(
            partition=lane,
            made=scores.made,
            scored=scores.scored,
            accuracy=published.get("accuracy", math.nan),
            baseline_accuracy=week.get("same_as_now", {}).get("accuracy", math.nan),
            log_loss=published.get("log_loss", math.nan),
            calibration_error=published.get("calibration_error", math.nan),
            target=latest.target if latest else math.nan,
            transformers=len(latest.key) if latest else math.nan,
            alerts=int(latest.alert.sum()) if latest else math.nan,
            probability=float(latest.probability.max()) if latest else math.nan,
            measured=math.nan if state.measured is None else state.measured,
            foretold=math.nan if state.foretold is None else state.foretold,
        )


metrics.names_known(MODELS, drift.NAMES)
metrics.register_forecasts(figures)
