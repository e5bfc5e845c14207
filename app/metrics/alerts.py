"""Events of alerts, and gauges of those that are open."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client import Counter

from app.domain.alerts import EventKind
from app.metrics.families import Families, Sample, gauge

__all__ = ["AlertFigures", "event_published", "register_alerts"]

_published = Counter(
    "smartmeter_alerts_events_published_total",
    "Events of alerts published by this process, by what happened.",
    ["event"],
)
for _kind in EventKind:
    _published.labels(_kind.value)  # shown from the start, as nothing


class AlertFigures(NamedTuple):
    """The open alerts of one lane."""

    lane: int
    raised: int
    acknowledged: int


OPEN = "smartmeter_alerts_open_alerts"
FAMILIES = (gauge(OPEN, "Alerts that are open, by where they stand.", "lane", "state"),)


def event_published(kind: EventKind) -> None:
    """Count an event."""
    _published.labels(kind.value).inc()


def register_alerts(figures: Callable[[], Iterable[AlertFigures]]) -> None:
    """Show from now on the open alerts that figures returns."""

    def samples() -> Iterator[Sample]:
        for each in figures():
            yield Sample(OPEN, (str(each.lane), "raised"), each.raised)
            yield Sample(OPEN, (str(each.lane), "acknowledged"), each.acknowledged)

    Families(FAMILIES, samples).register()
