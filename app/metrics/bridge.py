"""Events of the bridge."""

import time
from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram

from app.errors import Reason

__all__ = [
    "connection_lost",
    "dead_letters_written",
    "frames_acknowledged",
    "lane_left",
    "lane_read",
    "lane_taken",
    "results_published",
    "weather_written",
]

_readings = Counter(
    "smartmeter_bridge_readings_total", "Readings in acknowledged frames.", ["lane"]
)
_frames = Counter(
    "smartmeter_bridge_frames_total", "Frames that Kafka has acknowledged.", ["lane"]
)
_idle = Counter(
    "smartmeter_bridge_idle_frames_total",
    "Empty frames that carried an idle lane's watermark on.",
)
_rows = Histogram(
    "smartmeter_bridge_frame_rows",
    "Readings in a frame.",
    buckets=(1, 5, 10, 25, 50, 100, 200, 300, 400, 500),
)
_dead = Counter(
    "smartmeter_bridge_dead_letters_total",
    "Dead letters written, by reason.",
    ["reason"],
)
for _reason in Reason:
    _dead.labels(_reason)  # a rate needs to have seen the zero before the first one
_lag = Gauge(
    "smartmeter_bridge_lag_messages",
    "Messages in the stream that are not acknowledged frames yet.",
    ["lane"],
)
_watermark = Gauge(
    "smartmeter_bridge_watermark_timestamp_seconds",
    "Event time that a lane has reached.",
    ["lane"],
)
_oldest = Gauge(
    "smartmeter_bridge_oldest_unacknowledged_timestamp_seconds",
    "Arrival of the oldest message taken and not acknowledged; 0: none.",
    ["lane"],
)
_terms = Counter(
    "smartmeter_bridge_lane_terms_total",
    "Times that a lane began behind what Kafka has: taken over, or anew after a break.",
    ["lane"],
)
_lanes = Gauge("smartmeter_bridge_lanes", "Lanes that this bridge carries.")
_lost = Counter(
    "smartmeter_bridge_lost_connections_total", "Connections to NATS that were lost."
)
_weather = Counter(
    "smartmeter_bridge_weather_messages_total", "Temperatures and forecasts written."
)
_results = Counter(
    "smartmeter_bridge_results_total", "Results published on NATS.", ["kind"]
)
_latency = Histogram(
    "smartmeter_bridge_latency_seconds",
    "From a frame's first arrival in NATS to Kafka's acknowledgement.",
    buckets=(0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)


def frames_acknowledged(
    lane: int, rows: Sequence[int], watermark: int, arrival: float
) -> None:
    """Count frames that Kafka has acknowledged.

    Args:
        lane: Theirs.
        rows: Readings in each.
        watermark: Of the lane after them, epoch seconds.
        arrival: Of their first message, epoch seconds; 0 for an idle lane's frame.
    """
    _watermark.labels(lane).set(watermark)
    if not arrival:
        _idle.inc()
    if not arrival or not rows:
        return
    _readings.labels(lane).inc(sum(rows))
    _frames.labels(lane).inc(len(rows))
    for count in rows:
        _rows.observe(count)
    _latency.observe(max(0.0, time.time() - arrival))


def dead_letters_written(reasons: dict[str, int]) -> None:
    """Count dead letters that Kafka has acknowledged."""
    for reason, count in reasons.items():
        _dead.labels(reason).inc(count)


def lane_read(lane: int, lag: int, oldest_arrival: float) -> None:
    """Note how much of a lane is left, and its oldest unacknowledged arrival."""
    _lag.labels(lane).set(lag)
    _oldest.labels(lane).set(oldest_arrival)


def lane_taken(lane: int) -> None:
    """Count a term of a lane that begins."""
    _terms.labels(lane).inc()
    _lanes.inc()


def lane_left(lane: int) -> None:
    """Note that a term of a lane has ended; its figures are no longer ours to tell."""
    _lanes.dec()
    for gauge in (_lag, _watermark, _oldest):
        gauge.remove(lane)


def connection_lost() -> None:
    """Count a lost connection."""
    _lost.inc()


def weather_written(count: int) -> None:
    """Count temperatures and forecasts that Kafka has acknowledged."""
    _weather.inc(count)


def results_published(kind: str, count: int) -> None:
    """Count results that NATS has acknowledged."""
    _results.labels(kind).inc(count)
