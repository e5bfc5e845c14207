"""Bridges and workers of two builds, one replaced by the other: nothing is lost."""

import secrets

import pytest

from tests.carried import Publisher, carried
from tests.newer_build import COLUMN
from tests.road import Road

COUNTED = "smartmeter_live_readings_counted_total"
LANES = "smartmeter_bridge_lanes"
READINGS = 8_000


@pytest.fixture
def road(nats_server, kafka_server, servers, tmp_path):
    environ = servers.environ(f"t{secrets.token_hex(6)}")
    with Road(environ, tmp_path) as road:
        yield road


def replace(road, old, new, moved):
    """Start a process of the newer build, then stop the older one in good order."""
    road.start(new, module="tests.newer_build")
    road.ready(new)
    road.wait_for(moved, f"{new} to have a share", 40)
    road.processes[old].stop(15)
    assert 0 == road.processes[old].exit_code, road.log(old)


def frames(road):
    return [frame for _, _, frame in road.records(road.topology.readings.name)]


def test_upgrade_of_bridges_and_workers_loses_nothing_and_counts_nothing_twice(road):
    road.start("bridge-old")
    road.start("worker-old")
    road.ready("bridge-old", "worker-old")
    publisher = Publisher(road.topology, READINGS, per_second=800).start()
    publisher.wait_for(1_000)

    replace(
        road, "bridge-old", "bridge-new", lambda: road.metric("bridge-new", LANES) == 4
    )
    # The older worker reads frames of the newer bridge.
    counted = road.metric("worker-old", COUNTED)
    road.wait_for(
        lambda: road.metric("worker-old", COUNTED) > counted + 500, "it to go on", 30
    )
    replace(
        road, "worker-old", "worker-new", lambda: road.metric("worker-new", COUNTED) > 0
    )
    publisher.join()
    total = len(publisher.stored)
    road.wait_for(
        lambda: road.metric("worker-new", COUNTED) == total, f"all {total} counted", 60
    )
    carried(road.topology).check(publisher.stored)
    written = [frame for frame in frames(road) if frame["sequence"]]
    assert {True, False} == {COLUMN in frame for frame in written}


def test_way_back_to_the_older_build_is_as_safe(road):
    road.start("bridge-new", module="tests.newer_build")
    road.ready("bridge-new")
    publisher = Publisher(road.topology, 2_000, per_second=1_000).start()
    publisher.wait_for(500)
    road.start("bridge-old")
    road.ready("bridge-old")
    road.wait_for(lambda: road.metric("bridge-old", LANES) == 4, "its share", 30)
    road.processes["bridge-new"].stop(15)
    road.start("worker-old")
    road.ready("worker-old")
    publisher.join()
    total = len(publisher.stored)
    road.wait_for(
        lambda: road.metric("worker-old", COUNTED) == total, f"all {total} counted", 60
    )
    carried(road.topology).check(publisher.stored)
