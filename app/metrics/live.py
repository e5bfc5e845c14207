"""Events of the live stage, and gauges of its durable state.

The gauges come from the state itself, so they are exact across restarts and
rebalances: a partition shows on the worker that owns it, and nowhere else.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client import Counter, Gauge, Histogram

from app.errors import Reason
from app.metrics.families import Families, Sample, counter, gauge

__all__ = [
    "LaneFigures",
    "frame_rejected",
    "frames_folded",
    "group_committed",
    "line_readings_closed",
    "register_fleet",
    "register_lanes",
    "threshold_known",
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


LINES_MAX = 200  # shown one by one; what comes after them is "other"

_line_readings = Counter(
    "smartmeter_live_line_readings_total",
    "Readings in the windows that this process has closed, by line.",
    ["line"],
)
_line_over = Counter(
    "smartmeter_live_line_exceedances_total",
    "Those of them above the voltage threshold, by line.",
    ["line"],
)
_lines: set[int] = set()
_threshold = Gauge(
    "smartmeter_live_threshold_volts", "Voltage above which a reading counts as over."
)


class LaneFigures(NamedTuple):
    """The figures of one partition's state; not a number where one is not known."""

    partition: int
    counted: int
    late: int
    closed: int
    open: int
    watermark: float
    lag: float


LAG = gauge(
    "smartmeter_live_lag_frames",
    "Frames in Kafka that are not in the durable state yet; not a number: not known.",
    "lane",
)
# In the order of LaneFigures.
LANES = (
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
    LAG,
)
FLEET_VOLTS = gauge(
    "smartmeter_live_fleet_maximum_volts",
    "Maximum voltage of the whole fleet in the last epoch that is final.",
)
FLEET_TIME = gauge(
    "smartmeter_live_fleet_maximum_timestamp_seconds",
    "Event time at which that epoch begins.",
)
FLEET = (FLEET_VOLTS, FLEET_TIME)
FAMILIES = LANES + FLEET


def register_lanes(figures: Callable[[], Iterable[LaneFigures]]) -> None:
    """Show the figures of the lanes that this worker owns, read at each scrape."""

    def samples() -> Iterator[Sample]:
        for lane in figures():
            for family, value in zip(LANES, lane[1:], strict=True):
                # What is not known has no series, but a lag is said to be unknown.
                if family is LAG or not math.isnan(value):
                    yield Sample(family.name, (str(lane.partition),), value)

    Families(LANES, samples).register()


def register_fleet(latest: Callable[[], tuple[int, float] | None]) -> None:
    """Show the fleet's last maximum, (epoch, volts), on the worker that knows it."""

    def samples() -> Iterator[Sample]:
        if found := latest():
            epoch, volts = found
            yield Sample(FLEET_TIME.name, (), epoch)
            yield Sample(FLEET_VOLTS.name, (), volts)

    Families(FLEET, samples).register()


def frames_folded(readings: int) -> None:
    """Count the readings of frames that were folded."""
    _folded.inc(readings)


def group_committed(table: str, seconds: float) -> None:
    """Note how long a group took from first event to last acknowledgement."""
    _groups.labels(table).observe(seconds)


def window_rows_published(count: int) -> None:
    """Count closed windows that the broker has acknowledged."""
    _published.inc(count)


def line_readings_closed(
    lines: Iterable[int], readings: Iterable[float], over: Iterable[float]
) -> None:
    """Count the readings of closed windows, and those above the threshold, by line."""
    for line, count, high in zip(lines, readings, over, strict=True):
        if line not in _lines and len(_lines) < LINES_MAX:
            _lines.add(line)
        name = line if line in _lines else "other"
        _line_readings.labels(name).inc(count)
        _line_over.labels(name).inc(high)


def threshold_known(volts: float) -> None:
    """Show the voltage above which a reading counts as over."""
    _threshold.set(volts)


def frame_rejected(reason: str) -> None:
    """Count a frame that could not be decoded."""
    _rejected.labels(reason).inc()
