"""What closed before a worker had the lane is read back, and the lane says when."""

import asyncio
import time

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiokafka.errors import KafkaConnectionError

from app.errors import Reason, RejectedMessage
from app.views import backfill
from app.views.site import mount
from tests.fake_worker import FIRST_START, FakeWorker, windows_of

SIZE = 900


def published(starts):
    return [
        windows_of(start, (11, 1, 10, 110.0, 112.0, 114.0 + n, 1, 0))
        for n, start in enumerate(starts)
    ]


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(backfill, "RETRY_SECONDS", 0.05)
    fake = FakeWorker(owned=[0])
    fake.published[0] = published(FIRST_START + n * SIZE for n in range(20))
    return fake


@pytest.fixture
async def client(fake):
    application = web.Application()
    mount(application, fake.worker)
    async with TestClient(TestServer(application)) as client:
        yield client


async def windows(client, *, until):
    """Ask until the answer is as expected."""
    deadline = time.monotonic() + 10
    while True:
        async with client.get("/api/v1/windows?local=1&state=closed") as response:
            answer = await response.json()
        if until(answer) or time.monotonic() > deadline:
            return answer
        await asyncio.sleep(0.02)


async def test_windows_that_closed_elsewhere_are_shown(client):
    answer = await windows(client, until=lambda a: not a["incomplete_lanes"])
    assert [] == answer["incomplete_lanes"]
    assert [FIRST_START + n * SIZE for n in reversed(range(20))] == [
        window["window_start_epoch_seconds"] for window in answer["windows"]
    ]


async def test_a_lane_says_so_until_it_is_read_back(client, fake, caplog):
    fake.states[0].recent.is_filled = False
    fake.failures = [KafkaConnectionError()]
    answer = await windows(client, until=lambda a: a["incomplete_lanes"])
    assert [0] == answer["incomplete_lanes"]
    fake.failures = []
    answer = await windows(client, until=lambda a: not a["incomplete_lanes"])
    assert 20 == len(answer["windows"])


async def test_what_closed_here_is_never_replaced(client, fake):
    state = fake.states[0]
    state.recent.is_filled = False
    state.recent.add(windows_of(FIRST_START, (11, 1, 99, 110.0, 112.0, 119.0, 1, 0)))
    answer = await windows(client, until=lambda a: not a["incomplete_lanes"])
    assert 99 == answer["windows"][-1]["readings_count"]


async def test_reading_back_stops_when_the_memory_is_full(client, fake):
    fake.published[0] = published(FIRST_START + n * SIZE for n in range(200))
    fake.states[0].recent.is_filled = False
    answer = await windows(
        client, until=lambda a: len(a["windows"]) > 20 and not a["incomplete_lanes"]
    )
    assert 96 == len(answer["windows"])
    newest = answer["windows"][0]["window_start_epoch_seconds"]
    assert FIRST_START + 199 * SIZE == newest


async def test_a_record_of_another_build_ends_the_reading_back(fake, caplog):
    async def refused(_):
        yield published([FIRST_START])[0]
        raise RejectedMessage(Reason.VERSION, "event version 2")

    worker = fake.worker
    object.__setattr__(worker, "last_windows", refused)
    await backfill.Backfill(worker).step()
    assert fake.states[0].recent.is_filled
    assert [FIRST_START] == fake.states[0].recent.starts
    assert "no older closed windows: version: event version 2" in caplog.text
