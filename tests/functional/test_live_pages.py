"""/live over HTTP: 503 with the reason while only a new start may help, else 200."""

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from app.health import serve_health
from app.settings.web import Web
from app.views.health import Health
from app.views.sampling import Sampler
from tests.fake_worker import FakeWorker

LIMIT = 30


@pytest.fixture
def now():
    return [1_000.0]


@pytest.fixture
def fake():
    environ = {"SMARTMETER_WORKER__STALLED_SECONDS": str(LIMIT)}
    return FakeWorker(owned=[0, 1], environ=environ)


@pytest.fixture
def sampler(fake, now):
    return Sampler(fake.worker, clock=lambda: now[0])


@pytest.fixture
async def client(fake, sampler):
    application = web.Application()
    application.add_routes(Health(fake.worker, sampler).routes)
    async with TestClient(TestServer(application)) as client:
        yield client


async def live(client):
    async with client.get("/live") as response:
        return response.status, (await response.text()).strip()


async def test_worker_with_lag_and_no_progress_for_the_setting_is_not_live(
    client, sampler, now
):
    sampler.sample({0: 200, 1: 100})
    now[0] += LIMIT - 1
    sampler.sample({0: 200, 1: 100})
    assert (200, "ok") == await live(client)
    now[0] += 1
    sampler.sample({0: 200, 1: 100})
    told = f"lane 0: 100 frames behind, no progress for {LIMIT} s"
    assert (503, told) == await live(client)


async def test_progress_makes_it_live_again(client, fake, sampler, now):
    sampler.sample({0: 200, 1: 100})
    now[0] += LIMIT
    sampler.sample({0: 200, 1: 100})
    assert 503 == (await live(client))[0]
    fake.offsets[0] += 1
    sampler.sample({0: 200, 1: 100})
    assert (200, "ok") == await live(client)


async def test_outage_of_kafka_is_no_reason_to_start_the_worker_again(
    client, sampler, now
):
    sampler.sample({0: 200, 1: 100})
    now[0] += 10 * LIMIT
    sampler.sample({})
    assert (200, "ok") == await live(client)


async def test_pages_of_a_process_without_faust_say_what_its_checks_say():
    trouble = {"live": "", "ready": "not connected yet"}
    async with (
        serve_health(
            "127.0.0.1",
            0,
            Web(),
            live=lambda: trouble["live"],
            ready=lambda: trouble["ready"],
        ) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
    ):
        assert (200, "ok") == await live(client)
        trouble["live"] = "nothing moves"
        assert (503, "nothing moves") == await live(client)
        async with client.get("/ready") as response:
            assert 503 == response.status
            assert "not connected yet\n" == await response.text()
        async with client.get("/metrics") as response:
            assert 200 == response.status
