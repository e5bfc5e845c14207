"""Events of the live stage, and gauges of its durable state.

The gauges come from the state itself, so they are exact across restarts and
rebalances: a partition shows on the worker that owns it, and nowhere else.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client import Counter, Histogram

from app.errors import Reason
from app.metrics.families import Families, Sample, counter, gauge

__all__ = [
    "LaneFigures",
    "frame_rejected",
    "frames_folded",
    "group_committed",
    "register_lanes",
    "window_rows_published",
]

_folded = Counter(
    "smartmeter_live_readings_folded_total",
    "Readings folded into windows or found late by this process.",
)
_groups = Histogram(
    "smartmeter_live_group_commit_seconds",
    "From the first event of a group in hand to its last acknowledgement.",
    ["table"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_published = Counter(
    "smartmeter_live_window_rows_published_total",
    "Closed windows published by this process.",
)
_rejected = Counter(
    "smartmeter_live_frames_rejected_total",
    "Frames that could not be decoded, by reason.",
    ["reason"],
)


for _reason in Reason:
    _rejected.labels(_reason)


class LaneFigures(NamedTuple):
    """The figures of one partition's state; not a number where one is not known."""

    partition: int
    counted: int
    late: int
    closed: int
    open: int
    watermark: float
    lag: float


# In the order of LaneFigures.
FAMILIES = (
    counter(
        "smartmeter_live_readings_counted_total",
        "Readings counted in windows, since the lane began.",
        "lane",
    ),
    counter(
        "smartmeter_live_readings_late_total",
        "Readings whose window had closed, since the lane began.",
        "lane",
    ),
    counter(
        "smartmeter_live_windows_closed_total",
        "Windows closed, since the lane began.",
        "lane",
    ),
    gauge("smartmeter_live_open_windows", "Windows that are open.", "lane"),
    gauge(
        "smartmeter_live_watermark_timestamp_seconds",
        "Event time that the lane has reached.",
        "lane",
    ),
    gauge(
        "smartmeter_live_lag_frames",
        "Frames in Kafka that are not in the durable state yet.",
        "lane",
    ),
)


def register_lanes(figures: Callable[[], Iterable[LaneFigures]]) -> None:
    """Show the figures of the lanes that this worker owns, read at each scrape."""

    def samples() -> Iterator[Sample]:
        for lane in figures():
            for family, value in zip(FAMILIES, lane[1:], strict=True):
                yield Sample(family.name, (str(lane.partition),), value)

    Families(FAMILIES, samples).register()


def frames_folded(readings: int) -> None:
    """Count the readings of frames that were folded."""
    _folded.inc(readings)


def group_committed(table: str, seconds: float) -> None:
    """Note how long a group took from first event to last acknowledgement."""
    _groups.labels(table).observe(seconds)


def window_rows_published(count: int) -> None:
    """Count closed windows that the broker has acknowledged."""
    _published.inc(count)


def frame_rejected(reason: str) -> None:
    """Count a frame that could not be decoded."""
    _rejected.labels(reason).inc()
