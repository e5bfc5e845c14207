"""*Predictions*: what is foreseen, how often it was right, and against what."""

from grafana_foundation_sdk.models import dashboard as models

from deploy.grafana.board import board, drift_marks
from deploy.grafana.panels import Graph, Query, graph, share
from deploy.grafana.promql import increase, rate, select

__all__ = ["dashboard"]

SCORED = select("smartmeter_forecast_predictions_scored_total")


def weighed(metric: str) -> str:
    """Return the mean of a score over lanes, by what was scored in each."""
    lanes = f"{select(metric)} * on (instance, lane) {SCORED}"
    weights = f"{SCORED} and on (instance, lane) {select(metric)}"
    return f"sum({lanes}) / sum({weights})"


def dashboard() -> models.Dashboard:
    """Return the dashboard."""
    return board(
        "smartmeter-predictions",
        "Predictions",
        "What is foreseen of the fleet, and how well, against what needs no model.",
        "smartmeter_forecast_predictions_made_total",
        [
            _accuracy(),
            _by_lane(),
            _loss(),
            _calibration(),
            _foreseen(),
            _probability(),
            _made(),
            _lead(),
            _drifts(),
            _champions(),
        ],
        annotations=[drift_marks()],
    )


def _accuracy() -> Graph:
    return share(
        "Accuracy",
        "Share of the last week's predictions that were right, and of those that say:"
        " as it is now.",
        Query(weighed("smartmeter_forecast_accuracy_ratio"), "predictions"),
        Query(weighed("smartmeter_forecast_baseline_accuracy_ratio"), "as now"),
    )


def _by_lane() -> Graph:
    accuracy = select("smartmeter_forecast_accuracy_ratio")
    return share(
        "Accuracy by lane",
        "Each lane has models of its own.",
        Query(f"max by (lane) ({accuracy})", "lane {{lane}}"),
    )


def _loss() -> Graph:
    return graph(
        "Log-loss",
        "Mean of the last week; to say 50 % always makes 0.69.",
        "none",
        Query(weighed("smartmeter_forecast_log_loss_nats"), "predictions"),
    )


def _calibration() -> Graph:
    error = weighed("smartmeter_forecast_calibration_error_ratio")
    return share(
        "Calibration error",
        "How far a probability that was told lies from how often it came, on average.",
        Query(error, "predictions"),
    )


def _foreseen() -> Graph:
    transformers = select("smartmeter_forecast_foreseen_transformers")
    alerts = select("smartmeter_forecast_foreseen_alerts")
    return graph(
        "Transformers foreseen above the threshold",
        "In the window that was foreseen last, of all those it was foreseen for.",
        "short",
        Query(f"sum(max by (lane) ({alerts}))", "above the threshold"),
        Query(f"sum(max by (lane) ({transformers}))", "foreseen"),
        draw="steps",
    )


def _probability() -> Graph:
    highest = select("smartmeter_forecast_highest_probability_ratio")
    return share(
        "Highest probability",
        "That some transformer of a lane passes the threshold.",
        Query(f"max by (lane) ({highest})", "lane {{lane}}"),
    )


def _made() -> Graph:
    made = rate("smartmeter_forecast_predictions_made_total")
    scored = rate("smartmeter_forecast_predictions_scored_total")
    return graph(
        "Predictions made and scored",
        "A prediction is scored, and learnt from, once its window has closed.",
        "cps",
        Query(f"sum({made})", "made"),
        Query(f"sum({scored})", "scored"),
    )


def _lead() -> Graph:
    target = select("smartmeter_forecast_target_timestamp_seconds")
    clock = select("smartmeter_live_watermark_timestamp_seconds")
    return graph(
        "How far ahead",
        "Event time between a lane's watermark and the window foreseen last.",
        "s",
        Query(
            f"max by (lane) ({target}) - max by (lane) ({clock})",
            "lane {{lane}}",
        ),
        least=None,
    )


def _drifts() -> Graph:
    found = increase("smartmeter_forecast_drifts_found_total")
    return graph(
        "Drift found",
        "Times that the loss, the voltage missed or the temperature has risen beyond"
        " chance.",
        "short",
        Query(f"sum by (series) ({found})", "{{series}}"),
        draw="bars",
    )


def _champions() -> Graph:
    changed = increase("smartmeter_forecast_champions_changed_total")
    return graph(
        "Change of champion",
        "Times that a model took the other's place, by the new champion.",
        "short",
        Query(f"sum by (model) ({changed})", "{{model}}"),
        draw="bars",
    )
