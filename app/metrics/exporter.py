"""Events of the exporter: which sources answer, and how fast."""

from prometheus_client import Gauge, Histogram

__all__ = ["source_read", "source_silent"]

_up = Gauge(
    "smartmeter_exporter_up",
    "Whether a source answers: 1, or 0, and then its series are gone.",
    ["source"],
)
_seconds = Histogram(
    "smartmeter_exporter_read_seconds",
    "How long a source took to answer.",
    ["source"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def source_read(source: str, seconds: float) -> None:
    """Note that a source has answered."""
    _up.labels(source).set(1)
    _seconds.labels(source).observe(seconds)


def source_silent(source: str) -> None:
    """Note that a source has not answered, or not in time."""
    _up.labels(source).set(0)
