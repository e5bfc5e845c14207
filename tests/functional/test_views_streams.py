"""Any JSON page as server-sent events: sent when it changes, and never for ever."""

import asyncio
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiokafka.errors import KafkaConnectionError

from app.views import streams
from app.views.site import mount
from tests.fake_worker import FIRST_START, FakeWorker, windows_of

STREAM = {"Accept": "text/event-stream"}


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(streams, "PAUSE_SECONDS_MIN", 0.05)
    monkeypatch.setattr(streams, "PAUSE_PER_SECOND", 1)
    fake = FakeWorker()
    fake.fill(transformers=21, starts=4)
    return fake


@pytest.fixture
async def client(fake):
    application = web.Application()
    mount(application, fake.worker)
    async with TestClient(TestServer(application)) as client:
        yield client


async def next_event(response):
    """Return the next event as (name, data)."""
    fields = {}
    while True:
        line = (await asyncio.wait_for(response.content.readline(), 10)).decode()
        if line == "\n" and "data" in fields:
            return fields["event"], json.loads(fields["data"])
        name, _, value = line.partition(": ")
        fields[name] = value.rstrip("\n")


async def next_answer(response):
    while True:
        name, data = await next_event(response)
        if name != "same":
            return name, data


async def test_a_page_comes_again_when_it_has_changed(client, fake):
    path = "/api/v1/windows?limit=1"
    async with client.get(path, headers=STREAM) as response:
        assert "text/event-stream" == response.content_type
        name, first = await next_event(response)
        assert "answer" == name
        async with client.get(path) as plain:
            assert await plain.json() == first
        assert ("same", {}) == await next_event(response)
        start = FIRST_START + 9 * 900
        row = (11, 1, 1, 110.0, 111.0, 112.0, 1, 0)
        fake.add(2, windows_of(start, row), watermark=start)
        name, second = await next_answer(response)
        assert "answer" == name
        assert start == second["windows"][0]["window_start_epoch_seconds"]


async def test_what_is_asked_wrongly_is_refused_as_by_any_page(client):
    async with client.get("/api/v1/windows?limit=0", headers=STREAM) as response:
        assert (400, "application/json") == (response.status, response.content_type)


async def test_a_csv_or_html_page_is_no_stream(client):
    async with client.get("/", headers=STREAM) as response:
        assert "text/html" == response.content_type


async def test_trouble_is_told_and_passes(client, fake):
    async with client.get("/api/v1/pipeline", headers=STREAM) as response:
        await next_event(response)
        fake.failures = [KafkaConnectionError()]
        while "error" not in (await next_answer(response))[1]:
            pass
        fake.failures = []
        while "error" in (await next_answer(response))[1]:
            pass


async def test_a_fault_ends_no_stream(client, fake, caplog):
    async with client.get("/api/v1/windows", headers=STREAM) as response:
        await next_event(response)
        states, fake.states = fake.states, None
        name, data = await next_answer(response)
        assert "trouble" == name
        assert "fault of the worker" in data["error"]
        fake.states = states
        assert "answer" == (await next_answer(response))[0]


async def test_streams_are_bounded(client, monkeypatch):
    monkeypatch.setattr(streams, "STREAMS_MAX", 2)
    opened = [await client.get("/api/v1/overview", headers=STREAM) for _ in range(3)]
    assert [200, 200, 503] == [response.status for response in opened]
    opened[0].close()
    # The server notices at its next event.
    async with asyncio.timeout(10):
        while True:
            async with client.get("/api/v1/overview", headers=STREAM) as response:
                if response.status == 200:
                    break
            await asyncio.sleep(0.05)
    opened[1].close()


async def test_a_site_that_stops_ends_its_streams(fake):
    application = web.Application()
    mount(application, fake.worker)
    async with TestClient(TestServer(application)) as client:
        response = await client.get("/api/v1/overview", headers=STREAM)
        await next_event(response)
        async with asyncio.timeout(10):
            await client.server.close()
            assert b"" == await response.content.read() or response.content.at_eof()
