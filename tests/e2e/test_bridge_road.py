"""What goes into the bridge comes out of it: readings, weather, the dead, results."""

import asyncio
import json
import os
import random
import secrets
import time

import nats
import orjson
import pytest
from aiokafka import AIOKafkaProducer

from app.domain.readings import lane_of
from app.errors import Reason
from app.wire.events import encode_event
from app.wire.meter import encode_reading
from app.wire.weather import encode_weather
from tests.road import Road

NOW = int(time.time())
FUZZED = int(os.environ.get("SMARTMETER_TEST_BRIDGE_FUZZED", "20000"))


@pytest.fixture(scope="module")
def road(nats_server, kafka_server, servers, tmp_path_factory):
    """A bridge for all tests here; each uses a line of its own."""
    environ = servers.environ(f"t{secrets.token_hex(6)}")
    with Road(environ, tmp_path_factory.mktemp("bridge-road")) as road:
        road.start("bridge")
        road.ready("bridge")
        yield road


def rows_of(road, line):
    """Return the readings of a line, as (transformer, usage point, time, volts)."""
    return [
        row[1:]
        for _, _, frame in road.records(road.topology.readings.name)
        for row in zip(
            frame["line"],
            frame["transformer"],
            frame["usagepoint"],
            frame["timestamp"],
            frame["voltage"],
            strict=True,
        )
        if row[0] == line
    ]


def letters_of(road, word):
    """Return the dead letters whose subject holds a word."""
    letters = road.records(road.topology.dead_letters.name)
    return [fields for _, _, fields in letters if word in fields["subject"]]


def as_json(**fields):
    return orjson.dumps({"timestamp": NOW, "voltage": 110.0, **fields})


def test_binary_json_and_batches_are_rows(road):
    batch = [
        {"usagepoint": n, "timestamp": NOW, "voltage": 100.0 + n} for n in range(1, 4)
    ]
    road.publish(
        [
            ("data.101.1.1", encode_reading(NOW, 111.0)),
            ("data.101.1.2", as_json(voltage=112.0)),
            ("data.101.1.batch", orjson.dumps(batch)),
            ("data.101.1.1", encode_reading(NOW + 1, 113.0)),
        ]
    )
    expected = [
        (1, 1, NOW, 111.0),
        (1, 2, NOW, 112.0),
        *((1, n, NOW, 100.0 + n) for n in range(1, 4)),
        (1, 1, NOW + 1, 113.0),
    ]
    road.wait_for(lambda: len(rows_of(road, 101)) == len(expected), "rows", 20)
    assert expected == rows_of(road, 101)


def test_message_of_no_use_is_a_dead_letter_with_all_that_it_was(road):
    bad = {
        "102.1.1": (b"", Reason.EMPTY),
        "102.1.2": (b"\x00" * 55, Reason.LENGTH),
        "102.1.3": (as_json(v=9), Reason.VERSION),
        "102.1.4": (b"{", Reason.JSON),
        "102.1.0": (encode_reading(NOW, 110.0), Reason.KEY),
        "102.1": (encode_reading(NOW, 110.0), Reason.SUBJECT),
        "102.1.1.1": (encode_reading(NOW, 110.0), Reason.SUBJECT),
        "102.1.5": (encode_reading(NOW + 9_999, 110.0), Reason.FUTURE),
    }
    road.publish([(f"data.{place}", payload) for place, (payload, _) in bad.items()])
    letters = road.wait_for(
        lambda: (
            (found := letters_of(road, "102.1")) and len(found) == len(bad) and found
        ),
        "the dead letters",
        20,
    )
    assert sorted(str(reason) for _, reason in bad.values()) == sorted(
        letter["reason"] for letter in letters
    )
    assert len(bad) == len({letter["sequence"] for letter in letters})
    assert {road.topology.stream} == {letter["stream"] for letter in letters}
    assert [] == rows_of(road, 102)


def test_weather_is_in_every_partition(road):
    road.publish(
        [
            ("temperature", encode_weather(NOW, -3.25)),
            ("forecast.12", encode_weather(NOW + 43_200, 4.5)),
            ("forecast.x", encode_weather(NOW, 4.5)),
        ]
    )
    name = road.topology.weather.name
    road.wait_for(lambda: len(road.records(name)) >= 16, "weather", 20)
    found = [(lane, e["kind"], e["celsius"]) for lane, _, e in road.records(name)]
    expected = [
        (lane, kind, celsius)
        for lane in range(8)
        for kind, celsius in (("temperature", -3.25), ("forecast", 4.5))
    ]
    assert expected == found
    road.wait_for(lambda: len(letters_of(road, "forecast.x")) == 1, "a dead letter", 20)


def test_lane_without_readings_follows_the_others(road):
    road.publish([("data.103.1.1", encode_reading(NOW + 100, 110.0))])
    busy = lane_of(103, 1, 8)

    def watermarks():
        found = {}
        for lane, _, frame in road.records(road.topology.readings.name):
            found[lane] = max(frame["watermark"], found.get(lane, 0))
        return found if set(range(8)) <= set(found) else None

    road.wait_for(
        lambda: (found := watermarks()) and set(found.values()) == {found[busy]},
        "idle lanes to follow",
        20,
    )


def test_what_is_carried_leaves_the_stream(road):
    road.publish([("data.104.1.1", encode_reading(NOW, 110.0))])

    async def left():
        connection = await nats.connect(road.settings.nats.servers)
        info = await connection.jetstream().stream_info(road.topology.stream)
        await connection.close()
        return info.state.messages

    road.wait_for(lambda: asyncio.run(left()) == 0, "the stream to be empty", 30)


async def produce(road, topic, *events):
    servers = road.settings.kafka.servers
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        for event in events:
            await producer.send_and_wait(topic.name, encode_event(event), partition=0)


async def test_results_go_back_once_on_the_seeds_subjects_in_the_seeds_words(road):
    topology = road.topology
    connection = await nats.connect(road.settings.nats.servers)
    heard = await connection.subscribe("*.voltage.extract.>")
    await connection.flush()
    maximum = {"epoch": 900, "voltage": 117.5}
    await produce(road, topology.maxima, maximum, maximum)
    await produce(
        road,
        topology.predictions,
        {
            "lane": 0,
            "made": 900,
            "hours": 12,
            "threshold": 116.0,
            "temperature": 4.5,
            "epoch": [1_800, 1_800, 2_700],
            "line": [1, 1, 1],
            "transformer": [1, 2, 1],
            "probability": [0.9, 0.8, 0.1],
            "alert": [True, True, False],
        },
    )
    raised = {
        "event": "raised", "alert": "11-2-high-900", "at": 1_800, "line": 11,
        "transformer": 2, "usagepoint": 7, "kind": "high", "epoch": 900,
        "voltage": 118.5, "mean": 115.0, "count": 50, "over": 3,
        "verdict": "too_high", "limit": 116.0,
    }  # fmt: skip
    await produce(road, topology.alerts, raised, raised)
    found = {}
    while len(found) < 3:
        message = await heard.next_msg(timeout=30)
        found.setdefault(message.subject, []).append(json.loads(message.data))
    subjects = [topology.maxima_subject, f"{topology.prediction_subject}.12"]
    subjects.append(f"{topology.alert_subject}.11.2.7")
    names = ("epoch", "voltage", "event", "alert", "kind", "at")
    alert = {"count": 3} | {name: raised[name] for name in names}
    assert alert == found[subjects[2]][0]
    assert maximum == found[subjects[0]][0]
    prediction = {"timestamp": 1_800_000, "temperature": 4.5, "alert": 116.0}
    assert prediction == found[subjects[1]][0]
    info = await connection.jetstream().stream_info(
        topology.results_stream, subjects_filter="*.voltage.extract.>"
    )
    await connection.close()
    assert dict.fromkeys(subjects, 1) == info.state.subjects


def fuzzed(source, number):
    """Return any subject and payload that a publisher might come upon."""
    good = encode_reading(NOW - source.randrange(10), source.uniform(100, 130))
    payload = source.choice(
        [
            good,
            good,
            as_json(voltage=source.uniform(-50, 2_000)),
            b"[" + as_json(usagepoint=3) + b"," + as_json(usagepoint=0) + b"]",
            source.randbytes(source.randrange(70)),
            source.randbytes(56),
            good[: source.randrange(56)],
        ]
    )
    line = source.choice(["105", "105", "105", "0", "x", "-1", "9" * 12, "ü"])
    tail = source.choice(["1.1", "1.batch", "1", "1.1.1", f"{number % 90}.7", "2.3"])
    kind = source.choice(["data", "data", "data", "fuzz", "forecast", "temperature"])
    return f"{kind}.{line}.{tail}", payload


async def fuzz(road, count):
    """Publish fuzz, by the thousands; return the stream sequences of it."""
    source = random.Random(105)
    connection = await nats.connect(road.settings.nats.servers)
    jetstream = connection.jetstream()
    sequences = set()
    for start in range(0, count, 1_000):
        messages = [fuzzed(source, start + n) for n in range(min(1_000, count - start))]
        acks = await asyncio.gather(
            *(
                jetstream.publish(f"{road.topology.subject}.{subject}", payload)
                for subject, payload in messages
            )
        )
        sequences |= {ack.seq for ack in acks}
    await connection.close()
    return sequences


def test_whatever_is_published_is_a_row_or_weather_or_a_dead_letter(road):
    sequences = asyncio.run(fuzz(road, FUZZED))
    assert FUZZED == len(sequences)

    def missing():
        frames = road.records(road.topology.readings.name)
        rows = {n for _, _, frame in frames for n in frame["sequence"]}
        weather = road.records(road.topology.weather.name)
        dead = road.records(road.topology.dead_letters.name)
        events = {fields["sequence"] for _, _, fields in (*weather, *dead)}
        return sequences - rows - events

    road.wait_for(lambda: not missing(), "all to be accounted for", 60 + FUZZED / 2_000)
    assert road.processes["bridge"].alive
    road.ready("bridge")
