"""What Faust says of itself, in base units; the same for the live and archive stages.

Its own Prometheus sensor counts in milliseconds and calls totals gauges. Latencies come
as events; what Faust's monitor counts anyway is read at each scrape.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client import Counter, Gauge, Histogram

from app.metrics.families import Families, Sample, counter, gauge

__all__ = [
    "FaustFigures",
    "assignment_failed",
    "commit_completed",
    "families",
    "rebalance_ended",
    "rebalance_started",
    "send_completed",
]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)

_rebalances = Counter(
    "smartmeter_faust_rebalances_total",
    "Times that partitions began to change hands, as this process saw it.",
)
_rebalanced = Gauge(
    "smartmeter_faust_last_rebalance_timestamp_seconds",
    "When partitions last began to change hands.",
)
_rebalance = Histogram(
    "smartmeter_faust_rebalance_seconds",
    "From the beginning of a rebalance to the end of the recovery after it.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60),
)
_failed = Counter(
    "smartmeter_faust_failed_assignments_total",
    "Assignments that the group's leader could not compute.",
)
_commit = Histogram(
    "smartmeter_faust_commit_seconds",
    "A commit of the group's offsets.",
    buckets=SECONDS,
)
_send = Histogram(
    "smartmeter_faust_send_seconds",
    "From a message in the producer's buffer to the broker's acknowledgement.",
    buckets=SECONDS,
)


class FaustFigures(NamedTuple):
    """What Faust's monitor and assignor know; received, sent, assigned by topic."""

    received: Mapping[str, int]
    sent: Mapping[str, int]
    assigned: Mapping[str, int]
    send_errors: int
    events: int
    active_events: int
    is_recovering: bool
    is_rebalancing: bool


RECEIVED = counter(
    "smartmeter_faust_received_messages_total",
    "Kafka messages taken from the consumer.",
    "topic",
)
SENT = counter(
    "smartmeter_faust_sent_messages_total",
    "Kafka messages handed to the producer.",
    "topic",
)
ASSIGNED = gauge(
    "smartmeter_faust_assigned_partitions",
    "Partitions that the group has given to this process.",
    "topic",
)
ERRORS = counter(
    "smartmeter_faust_send_errors_total", "Kafka messages that could not be sent."
)
EVENTS = counter("smartmeter_faust_events_total", "Events given to agents.")
ACTIVE = gauge("smartmeter_faust_active_events", "Events that agents have in hand.")
RECOVERING = gauge(
    "smartmeter_faust_recovery_active", "Whether tables are being read back: 1 or 0."
)
REBALANCING = gauge(
    "smartmeter_faust_rebalance_active",
    "Whether partitions are changing hands: 1 or 0.",
)
FAMILIES = (
    RECEIVED,
    SENT,
    ASSIGNED,
    ERRORS,
    EVENTS,
    ACTIVE,
    RECOVERING,
    REBALANCING,
)


def families(figures: Callable[[], FaustFigures]) -> Families:
    """Return what shows the figures of this process, read at each scrape."""

    def samples() -> Iterator[Sample]:
        found = figures()
        for family, by_topic in (
            (RECEIVED, found.received),
            (SENT, found.sent),
            (ASSIGNED, found.assigned),
        ):
            for topic, count in by_topic.items():
                yield Sample(family.name, (topic,), count)
        yield Sample(ERRORS.name, (), found.send_errors)
        yield Sample(EVENTS.name, (), found.events)
        yield Sample(ACTIVE.name, (), found.active_events)
        yield Sample(RECOVERING.name, (), found.is_recovering)
        yield Sample(REBALANCING.name, (), found.is_rebalancing)

    return Families(FAMILIES, samples)


def rebalance_started() -> None:
    """Count a rebalance that begins now."""
    _rebalances.inc()
    _rebalanced.set(time.time())


def rebalance_ended(seconds: float) -> None:
    """Note how long a rebalance took, recovery included."""
    _rebalance.observe(seconds)


def assignment_failed() -> None:
    """Count an assignment that the leader could not compute."""
    _failed.inc()


def commit_completed(seconds: float) -> None:
    """Note how long a commit took."""
    _commit.observe(seconds)


def send_completed(seconds: float) -> None:
    """Note how long a message took to be acknowledged."""
    _send.observe(seconds)
