"""Workers join, leave, restart and replay: lanes move, and no row changes."""

import asyncio
import json

import pytest
from aiokafka import AIOKafkaProducer

from app import settings
from app.topology import Topology
from app.wire.meter import encode_reading
from tests.road import Road

SIZE, GRACE = 60, 60
BASE = 1_700_000_040
LANES = 8
COUNTED = "smartmeter_live_readings_counted_total"


def lanes_of(road, name):
    """The lanes for which a worker shows figures."""
    text = road.get(name, "/metrics")
    lines = [
        line
        for line in text.splitlines()
        if line.startswith("smartmeter_live_open_windows{")
    ]
    return {int(line.split('lane="')[1].split('"')[0]) for line in lines}


def minutes(first, last):
    """A reading of each of 27 transformers each ten seconds."""
    for moment in range(BASE + first * 60, BASE + last * 60, 10):
        for line in (11, 12, 13):
            for transformer in range(1, 10):
                volts = 110 + (moment // 10 + transformer) % 11
                yield (
                    f"data.{line}.{transformer}.{moment % 7 + 1}",
                    encode_reading(moment, volts),
                )


@pytest.fixture
def road(nats_server, kafka_server, environ_for, tmp_path):
    environ = environ_for(
        windows={"size_seconds": SIZE, "grace_seconds": GRACE},
        kafka={"session_timeout_seconds": 10, "lanes": LANES},
    )
    with Road(environ, tmp_path) as road:
        yield road


def terms(road):
    """The term of each lane's journal, and who began it."""
    found = {}
    for lane, _, record in road.records(road.topology.windows_journal.name):
        found[lane] = max(found.get(lane, (0, "")), (record["term"], record["owner"]))
    return found


def test_lanes_are_shared_and_taken_over_and_a_restart_moves_none(road):
    road.start("bridge")
    road.start("worker-1")
    road.start("worker-2")
    road.ready("bridge", "worker-1", "worker-2")
    road.publish(list(minutes(0, 3)))
    road.wait_for(
        lambda: {4} == {len(lanes_of(road, n)) for n in ("worker-1", "worker-2")},
        "four lanes each",
    )
    first, second = lanes_of(road, "worker-1"), lanes_of(road, "worker-2")
    assert set(range(LANES)) == first | second

    # A restart within the session timeout: the other worker's lanes keep their term.
    before = terms(road)
    road.processes["worker-1"].kill()
    road.start("worker-1")
    road.ready("worker-1")
    road.publish(list(minutes(3, 6)))
    road.wait_for(lambda: lanes_of(road, "worker-1") == first, "the same lanes again")
    after = terms(road)
    assert all(before[lane] == after[lane] for lane in second)
    assert all(after[lane][0] > before[lane][0] for lane in first)

    # A death: its lanes move, and nothing is counted twice or lost.
    road.processes["worker-2"].kill()
    road.publish(list(minutes(6, 9)))
    road.wait_for(lambda: lanes_of(road, "worker-1") == set(range(LANES)), "all lanes")
    total = len(list(minutes(0, 9)))
    road.wait_for(
        lambda: road.metric("worker-1", COUNTED) == total,
        f"{total} readings to be counted",
    )


def test_a_surplus_worker_is_ready_idles_and_takes_over(road):
    names = [f"worker-{number}" for number in range(1, 4)]
    environ = {
        **road.environ_given,
        settings.variable("kafka", "lanes"): "2",
        settings.variable("namespace"): f"{road.settings.namespace}s",
    }
    with Road(environ, road.folder / "few") as few:
        few.start("bridge")
        for name in names:
            few.start(name)
        few.ready("bridge", *names)
        few.publish(list(minutes(0, 2)))
        few.wait_for(
            lambda: [0, 1, 1] == sorted(len(lanes_of(few, name)) for name in names),
            "two workers with a lane, one without",
        )
        busy = next(name for name in names if lanes_of(few, name))
        few.processes[busy].kill()
        others = [name for name in names if name != busy]
        few.wait_for(
            lambda: {0, 1} == set().union(*(lanes_of(few, name) for name in others)),
            "the idle worker to take over",
        )


def test_replaying_the_log_into_a_fresh_group_gives_the_same_rows(road, tmp_path):
    road.start("bridge")
    road.start("worker-1")
    road.ready("bridge", "worker-1")
    road.publish(list(minutes(0, 20)))
    late = [("data.11.1.1", encode_reading(BASE, 119.0))]
    road.publish(late)
    total = len(list(minutes(0, 20))) + len(late)

    def counted(one):
        return sum(
            one.metric("worker-1", f"smartmeter_live_readings_{kind}_total")
            for kind in ("counted", "late")
        )

    road.wait_for(lambda: counted(road) == total, "all readings")
    environ = {
        **road.environ_given,
        settings.variable("namespace"): f"{road.settings.namespace}r",
    }
    with Road(environ, tmp_path / "replay") as replay:
        asyncio.run(copy_frames(road, replay))
        replay.start("worker-1")
        replay.ready("worker-1")
        replay.wait_for(lambda: counted(replay) == total, "all readings again")
        for topic in ("windows", "late", "maxima"):
            rows = unique(road, getattr(road.topology, topic).name)
            assert rows
            replay.wait_for(
                lambda topic=topic, rows=rows: (
                    rows == unique(replay, getattr(replay.topology, topic).name)
                ),
                f"the same {topic}",
            )


def unique(road, topic):
    """The rows of a topic by lane, each once: groups may be cut differently."""
    rows = set()
    for lane, _, fields in road.records(topic):
        columns = {n: c for n, c in fields.items() if isinstance(c, list)}
        for row in zip(*columns.values(), strict=True):
            rows.add((lane, json.dumps(dict(zip(columns, row, strict=True)))))
        if not columns:
            rows.add((lane, json.dumps(fields)))
    return rows


async def copy_frames(source: Road, target: Road) -> None:
    """Copy the readings topic record by record, as it is."""
    producer = AIOKafkaProducer(bootstrap_servers=target.settings.kafka.servers)
    await producer.start()
    try:
        for lane, _, frame in await source.records_async(source.topology.readings.name):
            await producer.send(
                Topology(target.settings).readings.name,
                json.dumps(frame).encode(),
                partition=lane,
            )
        await producer.flush()
    finally:
        await producer.stop()
