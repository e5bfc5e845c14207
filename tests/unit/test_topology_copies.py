"""Kafka acknowledges what most of the replicas have."""

import pytest

from app import settings
from app.topics import configuration
from app.topology import Topology


@pytest.mark.parametrize(
    ("replicas", "copies"), [("1", "1"), ("2", "2"), ("3", "2"), ("5", "3")]
)
def test_most_replicas_have_a_record_before_it_counts(replicas, copies):
    loaded = settings.load({"SMARTMETER_KAFKA__REPLICATION_FACTOR": replicas})
    for topic in Topology(loaded).topics:
        assert copies == configuration(topic)["min.insync.replicas"], topic.name
