"""What Kafka's brokers know of our topics and groups, as families."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from app.metrics.families import Sample, counter, gauge

__all__ = ["FAMILIES", "KafkaFigures", "Place", "samples"]

Place = tuple[str, int]
"""A topic and one of its partitions."""


class KafkaFigures(NamedTuple):
    """Offsets by place, commits by group and place; degraded counts by topic."""

    brokers: int
    begins: Mapping[Place, int]
    ends: Mapping[Place, int]
    degraded: Mapping[str, int]
    committed: Mapping[str, Mapping[Place, int]]


BROKERS = gauge("smartmeter_kafka_brokers", "Brokers that answer.")
RECORDS = counter(
    "smartmeter_kafka_topic_records_total",
    "Records ever written to the partition: the end of its log.",
    "topic",
    "partition",
)
HELD = gauge(
    "smartmeter_kafka_held_records",
    "Records that the partition still holds.",
    "topic",
    "partition",
)
DEGRADED = gauge(
    "smartmeter_kafka_under_replicated_partitions",
    "Partitions with fewer replicas in step than they have.",
    "topic",
)
LAG = gauge(
    "smartmeter_kafka_group_lag_records",
    "Records behind the group's committed offset, as the broker knows it.",
    "group",
    "topic",
    "partition",
)
FAMILIES = (BROKERS, RECORDS, HELD, DEGRADED, LAG)


def samples(figures: KafkaFigures) -> Iterator[Sample]:
    """Yield the samples of what the brokers answered."""
    yield Sample(BROKERS.name, (), figures.brokers)
    for topic, count in figures.degraded.items():
        yield Sample(DEGRADED.name, (topic,), count)
    for (topic, partition), end in figures.ends.items():
        labels = topic, str(partition)
        yield Sample(RECORDS.name, labels, end)
        begin = figures.begins.get((topic, partition), 0)
        yield Sample(HELD.name, labels, max(0, end - begin))
    for group, offsets in figures.committed.items():
        for place, offset in offsets.items():
            if place in figures.ends:
                topic, partition = place
                # Asked for a moment apart, so an end may be the older of the two.
                lag = max(0, figures.ends[place] - offset)
                yield Sample(LAG.name, (group, topic, str(partition)), lag)
