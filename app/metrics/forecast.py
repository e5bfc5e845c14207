"""Events of the forecast, and gauges of its durable state.

Made, scored and the scores come from the state, so they survive restarts and
rebalances; a partition shows on the worker that owns it.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client import Counter

from app.metrics.families import Families, Sample, counter, gauge

__all__ = [
    "ForecastFigures",
    "champion_changed",
    "drift_found",
    "models_renewed",
    "names_known",
    "predictions_made",
    "register_forecasts",
    "roll_back_refused",
    "rolled_back",
    "version_published",
]

_published = Counter(
    "smartmeter_forecast_predictions_published_total",
    "Predictions published by this process.",
)
_drifts = Counter(
    "smartmeter_forecast_drifts_found_total",
    "Times that a watched series was found to have risen, by series.",
    ["series"],
)
_champions = Counter(
    "smartmeter_forecast_champions_changed_total",
    "Times that a model took the other's place, by the new champion.",
    ["model"],
)
_versions = Counter(
    "smartmeter_forecast_versions_published_total",
    "Versions of models that were published to be kept.",
)
_renewed = Counter(
    "smartmeter_forecast_models_renewed_total",
    "Models that began anew, since what was read back was of other features or rules.",
)
_restored = Counter(
    "smartmeter_forecast_versions_restored_total",
    "Versions of models that were gone back to.",
)
_refused = Counter(
    "smartmeter_forecast_versions_refused_total",
    "Versions that could not be gone back to; the log says why.",
)


class ForecastFigures(NamedTuple):
    """The figures of one partition's models; not a number where one is not known.

    accuracy to calibration_error are of what was scored in the last week; target to
    probability of the window that was foreseen last; measured and foretold, in degrees
    Celsius, of the weather.
    """

    partition: int
    made: int
    scored: int
    accuracy: float
    baseline_accuracy: float
    log_loss: float
    calibration_error: float
    target: float
    transformers: float
    alerts: float
    probability: float
    measured: float
    foretold: float


# In the order of ForecastFigures.
FAMILIES = (
    counter(
        "smartmeter_forecast_predictions_made_total",
        "Predictions made, since the lane began.",
        "lane",
    ),
    counter(
        "smartmeter_forecast_predictions_scored_total",
        "Predictions whose window has closed, since the lane began.",
        "lane",
    ),
    gauge(
        "smartmeter_forecast_accuracy_ratio",
        "Share of the last week's predictions that were right.",
        "lane",
    ),
    gauge(
        "smartmeter_forecast_baseline_accuracy_ratio",
        "The same for the label known when they were made.",
        "lane",
    ),
    gauge(
        "smartmeter_forecast_log_loss_nats",
        "Mean log-loss of the last week's predictions.",
        "lane",
    ),
    gauge(
        "smartmeter_forecast_calibration_error_ratio",
        "Expected calibration error of the last week.",
        "lane",
    ),
    gauge(
        "smartmeter_forecast_target_timestamp_seconds",
        "Event time at which the window begins that was foreseen last.",
        "lane",
    ),
    gauge(
        "smartmeter_forecast_foreseen_transformers",
        "Transformers for which that window was foreseen.",
        "lane",
    ),
    gauge(
        "smartmeter_forecast_foreseen_alerts",
        "Those of them that are foreseen to pass the threshold.",
        "lane",
    ),
    gauge(
        "smartmeter_forecast_highest_probability_ratio",
        "The highest probability among them.",
        "lane",
    ),
    gauge(
        "smartmeter_forecast_measured_temperature_celsius",
        "The temperature that was measured last.",
        "lane",
    ),
    gauge(
        "smartmeter_forecast_foretold_temperature_celsius",
        "The temperature that was foretold last, a horizon ahead.",
        "lane",
    ),
)


def register_forecasts(figures: Callable[[], Iterable[ForecastFigures]]) -> None:
    """Show the figures of the models that this worker owns, read at each scrape."""

    def samples() -> Iterator[Sample]:
        for lane in figures():
            for family, value in zip(FAMILIES, lane[1:], strict=True):
                # What is not known has no series: a sum would be no number otherwise.
                if not math.isnan(value):
                    yield Sample(family.name, (str(lane.partition),), value)

    Families(FAMILIES, samples).register()


def predictions_made(count: int) -> None:
    """Count predictions."""
    _published.inc(count)


def names_known(models: Iterable[str], series: Iterable[str]) -> None:
    """Show that nothing has happened yet to models, and to the series watched."""
    for model in models:
        _champions.labels(model)
    for name in series:
        _drifts.labels(name)


def drift_found(series: str) -> None:
    """Count a drift: of loss, volts or temperature."""
    _drifts.labels(series).inc()


def version_published() -> None:
    """Count a version of models."""
    _versions.inc()


def models_renewed() -> None:
    """Count models that begin anew after an upgrade."""
    _renewed.inc()


def rolled_back() -> None:
    """Count models that went back to a version."""
    _restored.inc()


def roll_back_refused() -> None:
    """Count a version that could not be gone back to."""
    _refused.inc()


def champion_changed(model: str) -> None:
    """Count a change of champion."""
    _champions.labels(model).inc()
