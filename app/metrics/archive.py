"""Events of the archive stage, and how far it is behind."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import Counter, Histogram

from app.errors import Reason
from app.metrics.families import Families, Sample, gauge

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
    "smartmeter_archive_failed_writes_total", "Tries at which the store took nothing."
)
_rejected = Counter(
    "smartmeter_archive_records_rejected_total",
    "Records that could not be decoded, by reason.",
    ["reason"],
)


for _reason in Reason:
    _rejected.labels(_reason)
FAMILIES = (
    gauge(
        "smartmeter_archive_lag_records",
        "Frames in Kafka that are not stored yet.",
        "lane",
    ),
)


def register_lag(lags: Callable[[], Mapping[int, int]]) -> None:
    """Show the lag of this worker's partitions of readings, read at each scrape."""

    def samples() -> Iterator[Sample]:
        for lane, records in lags().items():
            yield Sample(FAMILIES[0].name, (str(lane),), records)

    Families(FAMILIES, samples).register()


def rows_written(table: str, count: int) -> None:
    """Count rows that are stored."""
    _rows.labels(table).inc(count)
    _refused.labels(table)  # a rate needs to have seen the zero before the first one


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
