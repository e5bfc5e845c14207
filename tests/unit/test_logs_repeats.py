"""A broker that is away is told of once in a while, and not ten times a second."""

import logging

from app.logs import REPEAT_SECONDS, Repeats


def record(name, message, *args):
    return logging.LogRecord(name, logging.ERROR, "", 0, message, args, None)


def test_what_kafka_client_repeats_is_shown_once_and_counted():
    now = [0.0]
    repeats = Repeats(lambda: now[0])
    shown = []
    for _ in range(25):
        each = record("aiokafka", "Unable connect to node with id %s", 1)
        if repeats.filter(each):
            shown.append((now[0], each.getMessage()))
        now[0] += REPEAT_SECONDS / 10
    assert [
        (0.0, "Unable connect to node with id 1"),
        (10.0, "Unable connect to node with id 1 (and 9 times before)"),
        (20.0, "Unable connect to node with id 1 (and 9 times before)"),
    ] == shown


def test_other_words_and_our_own_lines_are_always_shown():
    repeats = Repeats(lambda: 0.0)
    assert repeats.filter(record("aiokafka", "Unable connect"))
    assert repeats.filter(record("aiokafka", "Topic not found"))
    assert repeats.filter(record("aiokafka.consumer", "Unable connect"))
    assert all(repeats.filter(record("bridge.service", "again")) for _ in range(3))
