"""Two real workers: each shows every window, also when the other is killed."""

import http.client
import random
import signal

import pytest
from playwright.async_api import expect

from app.domain.readings import lane_of
from app.wire.meter import encode_reading
from tests.browser import a_viewer, shoot
from tests.oracle import Oracle
from tests.road import Road

SIZE, GRACE, THRESHOLD = 60, 120, 116.0
BASE = 1_700_000_040  # a multiple of 60
READINGS = 12_000
SECONDS = 1_200


def readings():
    chooser = random.Random(7)
    for number in range(READINGS):
        yield (
            BASE + number * SECONDS // READINGS - chooser.randrange(0, GRACE),
            chooser.choice((11, 12, 13)),
            chooser.randint(1, 9),
            chooser.randint(1, 40),
            round(chooser.gauss(116.0, 2.0), 3),
        )


def message(reading):
    timestamp, line, transformer, usagepoint, voltage = reading
    return f"data.{line}.{transformer}.{usagepoint}", encode_reading(timestamp, voltage)


def expected_windows(known):
    oracle = Oracle(SIZE, GRACE, THRESHOLD)
    for reading in known:
        oracle.read(None, *reading)
    return {
        (line, transformer, start): (
            window.count,
            pytest.approx(window.minimum, abs=1e-5),
            pytest.approx(window.mean, abs=1e-6),
            pytest.approx(window.maximum, abs=1e-5),
            window.usagepoint,
            window.over,
        )
        for (start, line, transformer), window in oracle.windows.items()
    }


def shown_windows(road, member, *, state="all"):
    answer = road.json(member, f"/api/v1/windows?state={state}&limit=50000")
    windows = answer["windows"]
    assert answer["matched_windows"] == len(windows)
    return {
        (w["line"], w["transformer"], w["window_start_epoch_seconds"]): (
            w["readings_count"],
            w["minimum_volts"],
            w["mean_volts"],
            w["maximum_volts"],
            w["maximum_usage_point"],
            w["readings_over_threshold"],
        )
        for w in windows
    }


def is_whole(road, member):
    overview = road.json(member, "/api/v1/overview")
    return not overview["missing"]["lanes"] and all(
        lane["is_history_complete"] for lane in overview["lanes"]
    )


@pytest.fixture
def road(nats_server, kafka_server, environ_for, tmp_path):
    environ = environ_for(
        windows={
            "size_seconds": SIZE,
            "grace_seconds": GRACE,
            "threshold_volts": THRESHOLD,
        },
        kafka={"session_timeout_seconds": 6},
    )
    with Road(environ, tmp_path) as road:
        yield road


async def test_each_of_two_workers_shows_all_windows_also_when_the_other_is_killed(
    road,
):
    road.start("bridge")
    road.start("worker-1")
    road.start("worker-2")
    road.ready("bridge", "worker-1", "worker-2")
    road.wait_for(
        lambda: (
            all(
                worker["lanes"] and not worker["trouble"]
                for worker in road.json("worker-1", "/api/v1/overview")["workers"]
            )
            and len(road.json("worker-1", "/api/v1/overview")["workers"]) == 2
        ),
        "both workers to have lanes",
    )
    known = list(readings())
    expected = expected_windows(known)
    await road.publish_async(map(message, known))
    for member in ("worker-1", "worker-2"):
        road.wait_for(
            lambda member=member: (
                road.json(member, "/api/v1/overview")["totals"]["readings_counted"]
                == READINGS
            ),
            "all readings to be counted",
        )
        assert expected == shown_windows(road, member)

    workers = road.json("worker-1", "/api/v1/overview")["workers"]
    mine = next(
        w["lanes"] for w in workers if w["url"].endswith(str(road.ports["worker-1"]))
    )
    far = next(t for t in range(1, 10) if lane_of(11, t, 8) not in mine)
    answer = road.json("worker-1", f"/api/v1/transformers/11/{far}")
    assert answer["worker"].endswith(str(road.ports["worker-2"]))
    assert answer["windows"]

    async with a_viewer() as viewer:
        page = await viewer.open(
            f"http://127.0.0.1:{road.ports['worker-1']}/transformers"
        )
        await expect(page.locator("#pulse-text")).to_have_text("Live")
        # Killed, it can be neither asked nor asked to leave.
        road.processes["worker-2"].kill()
        await expect(page.locator("#pulse-text")).to_have_text("Incomplete")
        await expect(page.locator("#notice")).to_contain_text("Missing here")
        await shoot(page, "worker-killed")
        await expect(page.locator("#pulse-text")).to_have_text("Live", timeout=60_000)
        assert [] == viewer.faults
    road.wait_for(lambda: is_whole(road, "worker-1"), "all lanes to be taken over")
    assert expected == shown_windows(road, "worker-1")
    assert SECONDS // SIZE - 2 <= len(
        {start for _, _, start in shown_windows(road, "worker-1", state="closed")}
    )


def test_a_worker_in_reserve_is_ready_and_shows_what_the_others_know(
    nats_server, kafka_server, environ_for, tmp_path
):
    environ = environ_for(kafka={"lanes": 2, "session_timeout_seconds": 6})
    names = ["worker-1", "worker-2", "worker-3"]
    with Road(environ, tmp_path) as road:
        road.start("bridge")
        for name in names:
            road.start(name)
        road.ready("bridge", *names)

        def lanes_of_all():
            workers = road.json("worker-1", "/api/v1/overview")["workers"]
            return sorted(worker["lanes"] for worker in workers)

        road.wait_for(
            lambda: lanes_of_all() == [[], [0], [1]], "two workers with a lane each"
        )
        road.ready(*names)
        road.publish([message(reading) for reading in list(readings())[:500]])
        for name in names:
            road.wait_for(
                lambda name=name: (
                    road.json(name, "/api/v1/overview")["totals"]["readings_counted"]
                    == 500
                ),
                f"all readings to be counted, as {name} sees it",
            )
            assert [] == road.json(name, "/api/v1/windows")["missing"]["lanes"]


def test_a_worker_that_is_told_to_stop_ends_its_streams(road):
    road.start("worker-1")
    road.ready("worker-1")
    process = road.processes["worker-1"]
    connection = http.client.HTTPConnection("127.0.0.1", road.ports["worker-1"])
    connection.request(
        "GET", "/api/v1/overview", headers={"Accept": "text/event-stream"}
    )
    stream = connection.getresponse()
    assert b"retry" in stream.readline()
    process.signal(signal.SIGTERM)
    stream.read()  # to its end, which is there only if the worker ends it
    connection.close()
    road.wait_for(lambda: not process.alive, "the worker to end")
    assert 0 == process.exit_code
