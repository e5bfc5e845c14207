"""Rates, lags and ages of the road follow from looks at Kafka's offsets."""

import pytest

from app.views.pipeline import Pipeline
from app.views.worker import Positions
from tests.fake_worker import FakeWorker

READINGS, LIVE = "smartmeter.readings", "smartmeter-live"


@pytest.fixture
def now():
    return [100.0]


@pytest.fixture
def pipeline(now):
    return Pipeline(FakeWorker().worker, clock=lambda: now[0])


def look(end, committed, *, group=LIVE):
    return Positions(
        ends={(READINGS, 0): end, (READINGS, 1): 50},
        committed={(group, READINGS, 0): committed},
    )


def readings(pipeline):
    figures = pipeline.figures()
    (reader,) = figures["readers"]
    return figures["topics"][0], reader


def test_one_look_makes_no_rate(pipeline):
    pipeline.add(look(100, 90))
    topic, reader = readings(pipeline)
    assert topic["records_per_second"] is None
    assert topic["grew_seconds_ago"] is None
    assert (150, 10) == (topic["records_count"], reader["lag_records"])


def test_looks_make_the_rates_of_a_topic_and_of_its_reader(pipeline, now):
    for number in range(5):
        pipeline.add(look(100 + 20 * number, 90 + 10 * number))
        now[0] += 2
    topic, reader = readings(pipeline)
    assert 10 == topic["records_per_second"]
    assert 5 == reader["records_per_second"]
    assert 10 + 4 * 10 == reader["lag_records"]
    assert 0 == topic["grew_seconds_ago"]


def test_a_topic_that_stands_still_says_for_how_long(pipeline, now):
    for end in (100, 110, 110, 110):
        pipeline.add(look(end, 90))
        now[0] += 3
    topic, _ = readings(pipeline)
    assert 6 == topic["grew_seconds_ago"]


def test_old_looks_make_no_rate(pipeline, now):
    pipeline.add(look(100, 90))
    now[0] += 3_600
    pipeline.add(look(10_000, 90))
    topic, _ = readings(pipeline)
    assert topic["records_per_second"] is None


def test_a_group_that_was_set_back_has_no_negative_rate(pipeline, now):
    pipeline.add(look(100, 90))
    now[0] += 2
    pipeline.add(look(100, 0))
    _, reader = readings(pipeline)
    assert (0, 100) == (reader["records_per_second"], reader["lag_records"])


def test_a_reader_that_has_never_been_there_is_not_shown(pipeline):
    pipeline.add(look(100, 90, group="smartmeter-archive"))
    _, reader = readings(pipeline)
    assert "archive workers" == reader["reader"]


def test_topics_come_in_the_order_of_the_road(pipeline):
    pipeline.add(look(1, 1))
    names = [topic["topic"].split(".")[1] for topic in pipeline.figures()["topics"]]
    assert ["readings", "weather", "windows"] == names[:3]
