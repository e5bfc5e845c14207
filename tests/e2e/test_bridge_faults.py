"""Every published reading is in Kafka once and in order, whatever is killed or frozen.

SMARTMETER_TEST_BRIDGE_READINGS=500000 runs the story in full length.
"""

import os
import random
import time
import urllib.error
from contextlib import suppress

import pytest

from deploy.local.stack import Stack
from tests.carried import Publisher, carried
from tests.road import Road

READINGS = int(os.environ.get("SMARTMETER_TEST_BRIDGE_READINGS", "60000"))
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
    publisher = Publisher(road.topology, READINGS, per_second=READINGS / 40).start()
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
    publisher = Publisher(road.topology, 12_000, per_second=2_000).start()
    publisher.wait_for(4_000)
    if fault == "restarted":
        stack.restart(server)
    else:
        stack.pause(server)
        time.sleep(12)  # longer than anybody waits for an answer here
        stack.resume(server)
    wait_until_all_is_carried(road, publisher).check(publisher.stored)
    road.ready("bridge")


def test_lanes_are_shared_moved_and_taken_over(road):
    road.start("bridge-a")
    road.ready("bridge-a")
    publisher = Publisher(road.topology, 40_000, per_second=1_500).start()
    assert 8 == road.metric("bridge-a", "smartmeter_bridge_lanes")

    road.start("bridge-b")
    road.wait_for(lambda: lanes(road, "a", "b") == [4, 4], "lanes to be shared", 20)
    road.start("bridge-c")
    road.wait_for(lambda: lanes(road, "a", "b", "c") == [2, 3, 3], "a third share", 20)

    road.processes["bridge-b"].kill()
    road.wait_for(lambda: lanes(road, "a", "c") == [4, 4], "the lanes taken over", 20)

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
    publisher = Publisher(road.topology, 30_000, per_second=1_000).start()
    publisher.wait_for(5_000)
    road.processes["bridge-a"].pause()
    road.wait_for(lambda: lanes(road, "b") == [8], "the lanes taken over", 20)
    publisher.wait_for(15_000)
    road.processes["bridge-a"].resume()
    road.wait_for(lambda: lanes(road, "a", "b") == [4, 4], "lanes shared again", 30)
    wait_until_all_is_carried(road, publisher).check(publisher.stored)
