"""Events of the forecast, and gauges of its durable state.

Made, scored and the scores come from the state, so they survive restarts and
rebalances; a partition shows on the worker that owns it.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client import REGISTRY, Counter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

__all__ = [
    "ForecastFigures",
    "champion_changed",
    "drift_found",
    "predictions_made",
    "register_forecasts",
]

_published = Counter(
    "smartmeter_forecast_predictions_published_total",
    "Predictions published by this process.",
)
_drifts = Counter(
    "smartmeter_forecast_drifts_found_total",
    "Times that a model's loss was found to have grown, by model.",
    ["model"],
)
_champions = Counter(
    "smartmeter_forecast_champions_changed_total",
    "Times that a model took the other's place, by the new champion.",
    ["model"],
)


class ForecastFigures(NamedTuple):
    """The figures of one partition's models; not a number where nothing is scored."""

    partition: int
    made: int
    scored: int
    accuracy: float
    baseline_accuracy: float
    log_loss: float
    calibration_error: float


GAUGES = (
    ("predictions_made", "Predictions made, since the lane began."),
    ("predictions_scored", "Predictions whose window has closed."),
    ("accuracy_ratio", "Share of the last week's predictions that were right."),
    ("baseline_accuracy_ratio", "The same for the label known when they were made."),
    ("log_loss_nats", "Mean log-loss of the last week's predictions."),
    ("calibration_error_ratio", "Expected calibration error of the last week."),
)


class _Forecasts(Collector):
    def __init__(self, figures: Callable[[], Iterable[ForecastFigures]]) -> None:
        self._figures = figures

    def describe(self) -> Iterable[Metric]:
        return (self._family(name, text) for name, text in GAUGES)

    def collect(self) -> Iterator[Metric]:
        families = [self._family(name, text) for name, text in GAUGES]
        for lane in self._figures():
            for family, value in zip(families, lane[1:], strict=True):
                family.add_metric([str(lane.partition)], value)
        yield from families

    @staticmethod
    def _family(name: str, text: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(
            f"smartmeter_forecast_{name}", text, labels=["partition"]
        )


def register_forecasts(figures: Callable[[], Iterable[ForecastFigures]]) -> None:
    """Show the figures of the models that this worker owns, read at each scrape."""
    REGISTRY.register(_Forecasts(figures))


def predictions_made(count: int) -> None:
    """Count predictions."""
    _published.inc(count)


def drift_found(model: str) -> None:
    """Count a drift."""
    _drifts.labels(model).inc()


def champion_changed(model: str) -> None:
    """Count a change of champion."""
    _champions.labels(model).inc()
