"""What is happening: this worker's figures, and those of all workers merged."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psutil

from app.domain.alerts import LaneAlerts, State
from app.domain.windows import NO_TIME
from app.predictor.scores import Scores
from app.views.sampling import Sampler
from app.views.worker import Worker
from tables.maxima import LaneState

__all__ = ["checked_overview", "local_overview", "merge_overviews"]

Figures = dict[str, Any]
SUMMED = (
    "readings_per_second",
    "lag_frames",
    "readings_counted",
    "readings_late",
    "windows_open",
    "windows_closed",
    "alerts_raised",
    "alerts_acknowledged",
)
PROCESS = psutil.Process()
PROCESS_FIELDS = ("rebalances_count", "started_epoch_seconds", "resident_bytes")
WORKER_FIELDS = ("url", "phase", "lanes", "trouble", *PROCESS_FIELDS)
LANE_FIELDS = (
    "lane",
    "worker",
    *SUMMED,
    "watermark_epoch_seconds",
    "closed_to_epoch_seconds",
    "is_history_complete",
    "closed_maxima",
    "forecast",
)
FORECAST_FIELDS = (
    "predictions_made",
    "predictions_scored",
    "week_scored",
    "week_right",
    "week_same_as_now_right",
)


def local_overview(worker: Worker, sampler: Sampler) -> Figures:
    """Return this worker's own figures: what it is busy with, and its lanes."""
    url = worker.url()
    forecasts = worker.forecasts()
    alerts = worker.alerts()
    return {
        "worker": {
            "url": url,
            "phase": worker.phase(),
            "lanes": worker.lanes,
            "trouble": worker.trouble,
            "rebalances_count": worker.rebalances(),
            "started_epoch_seconds": round(PROCESS.create_time()),
            "resident_bytes": PROCESS.memory_info().rss,
        },
        "lanes": [
            {
                "lane": number,
                "worker": url,
                **_lane(number, state, sampler),
                **_open_alerts(alerts.get(number)),
                "forecast": (
                    _forecast(forecasts[number].scores) if number in forecasts else None
                ),
            }
            for number, state in worker.states().items()
        ],
    }


def _lane(number: int, state: LaneState, sampler: Sampler) -> Figures:
    rate = sampler.rate(number)
    known = state.watermark > NO_TIME
    sizes = [len(window.index) for window in state.open.values()]
    return {
        "readings_per_second": None if rate is None else round(rate, 1),
        "lag_frames": sampler.lag(number),
        "watermark_epoch_seconds": state.watermark if known else None,
        "closed_to_epoch_seconds": state.closed_to if known else None,
        "readings_counted": state.counted,
        "readings_late": state.late,
        "windows_open": sum(sizes),
        "windows_closed": state.closed,
        "is_history_complete": state.recent.is_filled,
        "closed_maxima": [
            {"epoch_seconds": start, "maximum_volts": state.recent.maximum(start)}
            for start in state.recent.starts
        ],
    }


def _open_alerts(alerts: LaneAlerts | None) -> Figures:
    if alerts is None:
        return {"alerts_raised": None, "alerts_acknowledged": None}
    states = [alert.state for alert in alerts.open.values()]
    return {
        "alerts_raised": states.count(State.RAISED),
        "alerts_acknowledged": states.count(State.ACKNOWLEDGED),
    }


def _forecast(scores: Scores) -> Figures:
    week = scores.week
    no_no, _, _, yes_yes = week.part("confusion")[:4].tolist()  # of what was published
    return {
        "predictions_made": scores.made,
        "predictions_scored": scores.scored,
        "week_scored": week.count,
        "week_right": round(no_no + yes_yes),
        "week_same_as_now_right": round(float(week.part("same")[0])),
    }


def checked_overview(answer: Any) -> Figures:
    """Return another worker's overview, if it has what this build merges.

    Raises:
        KeyError, TypeError: Something is missing.
    """
    worker = {name: answer["worker"][name] for name in WORKER_FIELDS}
    lanes = [{name: lane[name] for name in LANE_FIELDS} for lane in answer["lanes"]]
    return {"worker": worker, "lanes": lanes}


def merge_overviews(
    answers: Sequence[Mapping[str, Any]],
    *,
    owners: Mapping[str, list[int]],
    silent: Mapping[str, str],
    lanes: int,
) -> Figures:
    """Return the figures of the whole cluster.

    answers are local overviews, silent says why a worker did not give one.
    """
    workers = {str(answer["worker"]["url"]): answer["worker"] for answer in answers}
    for url in owners.keys() - workers.keys():
        reason = silent.get(url, "was not asked")
        workers[url] = {
            "url": url,
            "phase": None,
            "lanes": owners[url],
            "trouble": reason,
            **dict.fromkeys(PROCESS_FIELDS),
        }
    # The first answer for a lane counts: two may claim it while it changes hands.
    by_lane: dict[int, Mapping[str, Any]] = {}
    for answer in answers:
        for lane in answer["lanes"]:
            by_lane.setdefault(lane["lane"], lane)
    figures = [by_lane[number] for number in sorted(by_lane)]
    final = final_maxima(figures, lanes)
    return {
        "totals": _totals(figures),
        "latest_maximum": final[-1] if final else None,
        "fleet_maxima": final,
        "forecast": _sum_forecasts(lane["forecast"] for lane in figures),
        "workers": [workers[url] for url in sorted(workers)],
        "lanes": [_without_maxima(lane) for lane in figures],
        "missing": {
            "lanes": sorted(set(range(lanes)) - by_lane.keys()),
            "workers": [
                {"url": url, "reason": reason} for url, reason in sorted(silent.items())
            ],
        },
    }


def final_maxima(figures: Sequence[Mapping[str, Any]], lanes: int) -> list[Figures]:
    """Return the fleet's maximum of each epoch that every lane has closed, in order.

    Nothing is final while a lane has not answered, has no watermark, or still reads
    back what it closed. Epochs that a lane's memory no longer holds are left out.
    """
    if len(figures) < lanes or not all(
        lane["closed_to_epoch_seconds"] is not None and lane["is_history_complete"]
        for lane in figures
    ):
        return []
    final_to = min(lane["closed_to_epoch_seconds"] for lane in figures)
    known_from = max(
        (
            lane["closed_maxima"][0]["epoch_seconds"]
            for lane in figures
            if lane["closed_maxima"]
        ),
        default=final_to,
    )
    volts: dict[int, float] = {}
    for lane in figures:
        for maximum in lane["closed_maxima"]:
            epoch = maximum["epoch_seconds"]
            if known_from <= epoch < final_to:
                known = volts.get(epoch, maximum["maximum_volts"])
                volts[epoch] = max(known, maximum["maximum_volts"])
    return [
        {"epoch_seconds": epoch, "maximum_volts": volts[epoch]}
        for epoch in sorted(volts)
    ]


def _totals(figures: Sequence[Mapping[str, Any]]) -> Figures:
    watermarks = _known(lane["watermark_epoch_seconds"] for lane in figures)
    return {
        **{name: _sum(_known(lane[name] for lane in figures)) for name in SUMMED},
        "watermark_epoch_seconds": min(watermarks, default=None),
        "watermark_spread_seconds": (
            max(watermarks) - min(watermarks) if watermarks else None
        ),
    }


def _sum_forecasts(lanes: Iterable[Mapping[str, int] | None]) -> Figures | None:
    """Return how right the predictions of the last seven days were, and the baseline.

    The baseline is "same as now": the label that was known when a prediction was made.
    """
    known = _known(lanes)
    if not known:
        return None
    sums = {name: sum(lane[name] for lane in known) for name in FORECAST_FIELDS}
    scored = sums["week_scored"]
    return {
        **sums,
        "accuracy_share": sums["week_right"] / scored if scored else None,
        "baseline_accuracy_share": (
            sums["week_same_as_now_right"] / scored if scored else None
        ),
    }


def _known(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def _sum(values: list[Any]) -> Any:
    return round(sum(values), 1) if values else None


def _without_maxima(lane: Mapping[str, Any]) -> Figures:
    return {name: value for name, value in lane.items() if name != "closed_maxima"}
