"""Events of the archive stage, and how far it is behind."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

__all__ = [
    "record_rejected",
    "register_lag",
    "rows_refused",
    "rows_written",
    "sink_unavailable",
]

_rows = Counter(
    "smartmeter_archive_rows_total",
    "Rows stored, by table; a replay counts again.",
    ["table"],
)
_refused = Counter(
    "smartmeter_archive_rows_refused_total",
    "Rows that the store refused for their content, by table.",
    ["table"],
)
_seconds = Histogram(
    "smartmeter_archive_write_seconds",
    "From the first try to the last answer of a group's rows.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
)
_unavailable = Counter(
    "smartmeter_archive_unavailable_total", "Tries at which the store took nothing."
)
_rejected = Counter(
    "smartmeter_archive_records_rejected_total",
    "Records that could not be decoded, by reason.",
    ["reason"],
)


class _Lag(Collector):
    def __init__(self, lags: Callable[[], Mapping[int, int]]) -> None:
        self._lags = lags

    def describe(self) -> list[Metric]:
        return [self._family()]

    def collect(self) -> Iterator[Metric]:
        family = self._family()
        for partition, records in sorted(self._lags().items()):
            family.add_metric([str(partition)], records)
        yield family

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "smartmeter_archive_lag_records",
            "Frames in Kafka that are not stored yet.",
            labels=["partition"],
        )


def register_lag(lags: Callable[[], Mapping[int, int]]) -> None:
    """Show the lag of this worker's partitions of readings, read at each scrape."""
    REGISTRY.register(_Lag(lags))


def rows_written(table: str, count: int) -> None:
    """Count rows that are stored."""
    _rows.labels(table).inc(count)


def group_written(seconds: float) -> None:
    """Note how long a group's rows took."""
    _seconds.observe(seconds)


def rows_refused(table: str, count: int) -> None:
    """Count rows that the store refused for their content."""
    _refused.labels(table).inc(count)


def sink_unavailable() -> None:
    """Count a try at which the store took nothing."""
    _unavailable.inc()


def record_rejected(reason: str) -> None:
    """Count a record that could not be decoded."""
    _rejected.labels(reason).inc()
