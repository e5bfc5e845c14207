"""Every published reading is in Kafka once and in order, whatever is killed or frozen.

SMARTMETER_TEST_BRIDGE_READINGS=500000 runs the story in full length, and
SMARTMETER_TEST_BRIDGE_FROZEN_SECONDS=30 keeps a bridge frozen for so long.
"""

import asyncio
import os
import random
import time
import urllib.error
from contextlib import suppress

import nats
import psutil
import pytest
from aiokafka import AIOKafkaProducer

from app.domain.readings import Readings
from app.wire.frames import Frame, encode_frame
from bridge.stream import stream_config
from deploy.local.stack import Stack
from tests.carried import Publisher, carried
from tests.road import Road

READINGS = int(os.environ.get("SMARTMETER_TEST_BRIDGE_READINGS", "40000"))
FROZEN_SECONDS = float(os.environ.get("SMARTMETER_TEST_BRIDGE_FROZEN_SECONDS", "0"))
READ = "smartmeter_bridge_readings_total"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """Servers of this module's own, which it kills and freezes."""
    own = Stack(tmp_path_factory.mktemp("bridge-faults"), usual_ports=False)
    with own.running("nats", "kafka"):
        yield own


@pytest.fixture
def road(stack, namespace, tmp_path):
    environ = {
        **stack.environ(namespace),
        "SMARTMETER_KAFKA__REQUEST_TIMEOUT_SECONDS": "5",
    }
    with Road(environ, tmp_path) as road:
        yield road


def wait_until_all_is_carried(road, publisher, seconds_max=120):
    publisher.join()

    def all_is_carried():
        found = carried(road.topology)
        return found if len(found.rows) >= len(publisher.stored) else None

    return road.wait_for(all_is_carried, "everything to be carried", seconds_max)


def test_nothing_is_lost_or_twice_though_everything_is_killed(road, stack):
    chooser = random.Random(5)
    road.start("bridge")
    road.ready("bridge")
    publisher = Publisher(road.topology, READINGS, per_second=READINGS / 25).start()
    victims = ["bridge", "kafka", "bridge", "nats", "bridge", "kafka", "bridge"]
    victims.append("bridge")
    for number, victim in enumerate(victims, start=1):
        publisher.wait_for(number * READINGS // (len(victims) + 1))
        time.sleep(chooser.uniform(0, 0.5))
        if victim == "bridge":
            road.processes["bridge"].kill()
            road.start("bridge")
        else:
            stack.kill(victim)
            stack.start(victim)
    found = wait_until_all_is_carried(road, publisher)
    found.check(publisher.stored)
    assert READINGS == len(publisher.stored)
    road.ready("bridge")


@pytest.mark.parametrize("server", ["nats", "kafka"])
@pytest.mark.parametrize("fault", ["restarted", "frozen"])
def test_outage_of_a_server_delays_and_loses_nothing(road, stack, server, fault):
    road.start("bridge")
    road.ready("bridge")
    publisher = Publisher(road.topology, 6_000, per_second=2_000).start()
    publisher.wait_for(2_000)
    if fault == "restarted":
        stack.restart(server)
    else:
        stack.pause(server)
        time.sleep(9)  # longer than anybody waits for an answer here
        stack.resume(server)
    wait_until_all_is_carried(road, publisher).check(publisher.stored)
    road.ready("bridge")


def test_lanes_are_shared_moved_and_taken_over(road, record_property):
    road.start("bridge-a")
    road.ready("bridge-a")
    publisher = Publisher(road.topology, 20_000, per_second=1_000).start()
    assert 8 == road.metric("bridge-a", "smartmeter_bridge_lanes")

    road.start("bridge-b")
    road.wait_for(lambda: lanes(road, "a", "b") == [4, 4], "lanes to be shared", 20)
    road.start("bridge-c")
    road.wait_for(lambda: lanes(road, "a", "b", "c") == [2, 3, 3], "a third share", 20)

    road.processes["bridge-b"].kill()
    killed_at = time.monotonic()
    road.wait_for(lambda: lanes(road, "a", "c") == [4, 4], "the lanes taken over", 20)
    seconds = time.monotonic() - killed_at
    record_property("take_over_seconds", round(seconds, 2))
    print(f"lanes of a killed bridge were taken over after {seconds:.1f} s")

    road.processes["bridge-a"].stop(10)
    assert 0 == road.processes["bridge-a"].exit_code
    road.wait_for(lambda: lanes(road, "c") == [8], "all lanes with the last one", 20)
    wait_until_all_is_carried(road, publisher).check(publisher.stored)


def lanes(road, *names):
    """How many lanes each of some bridges carries, the fewest first."""
    with suppress(urllib.error.URLError, OSError):  # not started yet
        return sorted(
            int(road.metric(f"bridge-{name}", "smartmeter_bridge_lanes"))
            for name in names
        )


def test_bridge_that_was_frozen_cannot_harm_its_lanes(road):
    road.start("bridge-a")
    road.start("bridge-b")
    road.wait_for(lambda: lanes(road, "a", "b") == [4, 4], "lanes to be shared", 20)
    count = 20_000 + round(1_000 * FROZEN_SECONDS)
    publisher = Publisher(road.topology, count, per_second=1_000).start()
    publisher.wait_for(5_000)
    road.processes["bridge-a"].pause()
    frozen_at = time.monotonic()
    road.wait_for(lambda: lanes(road, "b") == [8], "the lanes taken over", 20)
    publisher.wait_for(10_000)
    time.sleep(max(frozen_at + FROZEN_SECONDS - time.monotonic(), 0))
    road.processes["bridge-a"].resume()
    road.wait_for(lambda: lanes(road, "a", "b") == [4, 4], "lanes shared again", 30)
    wait_until_all_is_carried(road, publisher).check(publisher.stored)


def test_outage_of_kafka_fills_no_memory_and_a_signal_ends_the_bridge(road, stack):
    road.start("bridge")
    road.ready("bridge")
    resident = psutil.Process(road.processes["bridge"].pid).memory_info
    before = resident().rss
    stack.pause("kafka")
    publisher = Publisher(road.topology, 40_000).start()
    publisher.join()
    time.sleep(6)  # a request and its timeout
    assert resident().rss - before < 50 << 20
    road.processes["bridge"].stop(15)
    assert road.processes["bridge"].exit_code in {0, 1}  # killed, it would be -9
    stack.resume("kafka")
    road.start("bridge")
    wait_until_all_is_carried(road, publisher).check(publisher.stored)


def test_stream_that_was_deleted_counts_on_behind_kafka(road, stack):
    road.start("bridge")
    road.ready("bridge")
    before = Publisher(road.topology, 2_000).start()
    wait_until_all_is_carried(road, before)
    asyncio.run(delete_stream(road))
    road.wait_for(
        lambda: "begins at 2001" in road.log("bridge"), "the stream to be made anew", 30
    )
    road.ready("bridge")
    after = Publisher(road.topology, 2_000, epoch=1_700_100_000).start()
    after.join()
    both = before.stored | after.stored
    road.wait_for(lambda: len(carried(road.topology).rows) == len(both), "the rest", 30)
    carried(road.topology).check(both)


async def delete_stream(road):
    connection = await nats.connect(road.settings.nats.servers)
    await connection.jetstream().delete_stream(road.topology.stream)
    await connection.close()


def test_stream_that_ends_before_what_kafka_has_is_refused_and_says_why(road):
    frame = Frame(lane=4, first=1, last=1_000, watermark=900, readings=Readings.empty())
    asyncio.run(write(road, 4, encode_frame(frame)))
    asyncio.run(make_stream(road))  # as a backup that was restored would be
    road.start("bridge")

    def reason():
        with suppress(urllib.error.URLError, OSError):
            return road.get("bridge", "/ready")
        return road.log("bridge")

    road.wait_for(lambda: "it was made anew or restored" in reason(), "the reason", 30)
    assert "has come to 0, but Kafka has lane 4 up to 1000" in road.log("bridge")

    asyncio.run(delete_stream(road))  # what the reason says is to be done
    road.ready("bridge")
    publisher = Publisher(road.topology, 400).start()
    wait_until_all_is_carried(road, publisher).check(publisher.stored)
    assert 1_000 < min(publisher.stored)


async def write(road, lane, value):
    producer = AIOKafkaProducer(bootstrap_servers=road.settings.kafka.servers)
    await producer.start()
    await producer.send_and_wait(road.topology.readings.name, value, partition=lane)
    await producer.stop()


async def make_stream(road):
    connection = await nats.connect(road.settings.nats.servers)
    await connection.jetstream().add_stream(stream_config(road.topology))
    await connection.close()


def test_two_bridges_of_one_name_do_not_share_it(road):
    road.start("bridge-a", SMARTMETER_BRIDGE__IDENTITY="twin")
    road.ready("bridge-a")
    road.start("bridge-b", SMARTMETER_BRIDGE__IDENTITY="twin")
    first = road.processes["bridge-a"]
    road.wait_for(lambda: not first.alive, "the first to end", 20)
    assert 1 == first.exit_code
    assert "SMARTMETER_BRIDGE__IDENTITY" in road.log("bridge-a").splitlines()[-1]
    road.ready("bridge-b")
