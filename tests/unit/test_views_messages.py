"""Messages that go out: kept within bounds, counted always, found by their subjects."""

import pytest
from aiohttp import web

from app.views.messages import (
    KEPT_MAX,
    KEPT_PER_SECOND_MAX,
    OTHERS,
    PAYLOAD_BYTES_MAX,
    SUBJECTS_MAX,
    Messages,
    matcher,
)
from tests.fake_worker import FakeWorker

MAXIMA = "smartmeter.voltage.extract.max"
ALERT = "smartmeter.voltage.extract.alert"


@pytest.fixture
def messages():
    return Messages(FakeWorker().worker)


def rates(messages, now, pattern=""):
    rows = messages._rates(now, matcher(pattern))
    return {
        row["subject"]: (row["messages_count"], row["messages_per_second"])
        for row in rows
    }


def test_rate_is_that_of_the_last_ten_whole_seconds(messages):
    for tick in range(200):  # ten a second for twenty seconds
        messages.take(MAXIMA, b"{}", 1_000.05 + tick / 10)
    assert {MAXIMA: (200, 10.0)} == rates(messages, 1_020.5)
    assert {MAXIMA: (200, 5.0)} == rates(messages, 1_025.5)
    assert {MAXIMA: (200, 0.0)} == rates(messages, 1_090.0)


def test_alerts_of_all_meters_are_one_subject_and_subjects_are_bounded(messages):
    for meter in range(300):
        messages.take(f"{ALERT}.11.3.{meter}", b"{}", 5.0)
    assert {f"{ALERT}.>": (300, 0.0)} == rates(messages, 5.5)
    for number in range(300):
        messages.take(f"smartmeter.extract.{number}", b"{}", 6.0)
    found = rates(messages, 7.0)
    assert SUBJECTS_MAX + 1 == len(found)
    assert 300 - SUBJECTS_MAX + 1 == found[OTHERS][0]


def test_what_nobody_could_read_is_counted_and_not_kept(messages):
    for number in range(1_000):
        messages.take(MAXIMA, b"{}", 7.0 + number / 1_000)
    assert KEPT_PER_SECOND_MAX == len(messages._kept)
    assert 1_000 == rates(messages, 8.0)[MAXIMA][0]
    for second in range(100):
        for _ in range(10):
            messages.take(MAXIMA, b"{}", 10.0 + second)
    assert KEPT_MAX == len(messages._kept)


async def test_large_payload_is_cut_and_said_to_be(messages):
    messages.take(MAXIMA, b'{"x":"' + b"y" * 10_000 + b'"}', 5.0)
    assert PAYLOAD_BYTES_MAX + 1 == len(messages._kept[0].payload)


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        ("", MAXIMA, True),
        ("MAX", MAXIMA, True),
        ("alert.11.3", f"{ALERT}.11.3.7", True),
        ("smartmeter.>", MAXIMA, True),
        (f"{ALERT}.*.3.*", f"{ALERT}.11.3.7", True),
        (f"{ALERT}.*.4.*", f"{ALERT}.11.3.7", False),
        ("smartmeter.*", MAXIMA, False),
        (f"{MAXIMA}.>", MAXIMA, False),
        ("*", MAXIMA, False),
    ],
)
def test_subject_is_found_as_nats_would_or_by_a_word(pattern, subject, expected):
    assert expected == matcher(pattern)(subject)


@pytest.mark.parametrize("pattern", ["a..*", "a.>.b", "**", "a b.*", "*" * 201])
def test_pattern_that_is_none_is_refused(pattern):
    with pytest.raises(web.HTTPBadRequest):
        matcher(pattern)
