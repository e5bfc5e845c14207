"""Any worker answers for the whole cluster, over HTTP between real sites."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, unused_port

from app.domain.readings import lane_of
from app.views import peers
from app.views.site import mount
from tests.fake_worker import FIRST_START, FakeWorker, windows_of

SHARES = [[0, 1, 2], [3, 4], [5, 6, 7]]


class Members:
    """Workers with a lane each way, and clients to ask them."""

    def __init__(self, fakes, clients):
        self.fakes = fakes
        self.clients = clients

    async def json(self, member, path):
        async with self.clients[member].get(path) as response:
            return response.status, await response.json()

    async def stop(self, member):
        await self.clients[member].close()


@pytest.fixture
async def members():
    urls = [f"http://127.0.0.1:{unused_port()}" for _ in SHARES]
    owners = dict(zip(urls, SHARES, strict=True))
    fakes, clients = [], []
    async with AsyncExitStack() as stack:
        for url, owned in owners.items():
            fake = FakeWorker(url=url, owned=owned)
            fake.owners = owners
            fake.fill(transformers=21, starts=12)
            application = web.Application()
            mount(application, fake.worker)
            server = TestServer(application, port=int(url.rpartition(":")[2]))
            fakes.append(fake)
            clients.append(await stack.enter_async_context(TestClient(server)))
        yield Members(fakes, clients)


async def test_every_worker_shows_the_same_windows_of_all(members):
    answers = [
        (await members.json(n, "/api/v1/windows?sort=-maximum_volts"))[1]
        for n in range(3)
    ]
    assert 21 * 12 == answers[0]["matched_windows"]
    assert list(range(8)) == answers[0]["answered_lanes"]
    for answer in answers:
        assert {"lanes": [], "workers": []} == answer["missing"]
        assert answers[0]["windows"] == answer["windows"]


async def test_every_worker_answers_for_every_transformer(members):
    for transformer in range(1, 8):
        owner = lane_of(11, transformer, 8)
        for member in range(3):
            path = f"/api/v1/transformers/11/{transformer}"
            status, answer = await members.json(member, path)
            assert (200, 12) == (status, len(answer["windows"]))
            assert owner == answer["lane"]
            assert owner in members.fakes[0].owners[answer["worker"]]


async def test_the_overview_is_that_of_the_whole_cluster(members):
    status, overview = await members.json(1, "/api/v1/overview")
    assert 200 == status
    assert SHARES == sorted(worker["lanes"] for worker in overview["workers"])
    assert 21 * 2 == overview["totals"]["windows_open"]
    assert list(range(8)) == [lane["lane"] for lane in overview["lanes"]]


async def test_a_worker_that_is_gone_is_named_and_the_rest_is_shown(members):
    gone = members.fakes[2].url
    await members.stop(2)
    _, answer = await members.json(0, "/api/v1/windows")
    assert {
        "lanes": [5, 6, 7],
        "workers": [{"url": gone, "reason": "cannot be reached"}],
    } == answer["missing"]
    assert 0 < answer["matched_windows"] < 21 * 12
    _, overview = await members.json(0, "/api/v1/overview")
    assert [5, 6, 7] == overview["missing"]["lanes"]
    lost = next(t for t in range(1, 99) if lane_of(11, t, 8) == 6)
    status, answer = await members.json(0, f"/api/v1/transformers/11/{lost}")
    assert (503, [6]) == (status, answer["missing"]["lanes"])


async def test_a_worker_that_hangs_is_given_up_in_time(members, monkeypatch):
    monkeypatch.setattr(peers, "ANSWER_SECONDS", 0.2)
    release = asyncio.Event()

    async def hang(_):
        await release.wait()
        return web.Response()

    hanging = web.Application()
    hanging.router.add_get("/{path:.*}", hang)
    fake = FakeWorker(url="http://127.0.0.1:1", owned=[0])
    async with TestServer(hanging) as server:
        url = str(server.make_url("")).rstrip("/")
        fake.owners = {fake.url: [0], url: [1]}
        application = web.Application()
        mount(application, fake.worker)
        async with (
            TestClient(TestServer(application)) as client,
            client.get("/api/v1/windows") as response,
        ):
            missing = (await response.json())["missing"]
        release.set()
    assert [1, 2, 3, 4, 5, 6, 7] == missing["lanes"]
    assert "did not answer within" in missing["workers"][0]["reason"]


@pytest.mark.parametrize("body", [b"{}", b"not JSON", b"[]", b'{"windows": 3}'])
async def test_an_answer_of_another_build_is_named(body):
    async def answer(_):
        return web.Response(body=body, content_type="application/json")

    other = web.Application()
    other.router.add_get("/{path:.*}", answer)
    fake = FakeWorker(url="http://127.0.0.1:1", owned=[0])
    async with TestServer(other) as server:
        url = str(server.make_url("")).rstrip("/")
        fake.owners = {fake.url: [0], url: [1]}
        application = web.Application()
        mount(application, fake.worker)
        async with TestClient(TestServer(application)) as client:
            for path in ("/api/v1/windows", "/api/v1/overview"):
                async with client.get(path) as response:
                    (silent,) = (await response.json())["missing"]["workers"]
                assert "answered in a format" in silent["reason"]


async def test_a_question_between_workers_goes_no_further(members):
    await members.stop(2)
    _, answer = await members.json(0, "/api/v1/windows?local=1")
    assert SHARES[0] == answer["answered_lanes"]
    assert [] == answer["missing"]["workers"]
    _, answer = await members.json(0, "/api/v1/windows?local=1&lanes=1,4")
    assert [1] == answer["answered_lanes"]


async def test_a_lane_that_two_workers_claim_is_shown_once(members):
    # The second worker was paused, and does not know that lane 0 has gone to the first.
    members.fakes[1].states[0] = members.fakes[0].states[0]
    _, answer = await members.json(2, "/api/v1/windows")
    assert 21 * 12 == answer["matched_windows"]


async def test_a_lane_on_its_way_is_missing_until_it_is_there(members):
    state = members.fakes[0].states.pop(2)
    _, answer = await members.json(1, "/api/v1/windows")
    assert [2] == answer["missing"]["lanes"]
    assert [] == answer["missing"]["workers"]
    members.fakes[0].states[2] = state
    _, answer = await members.json(1, "/api/v1/windows")
    assert [] == answer["missing"]["lanes"]


async def test_the_first_windows_of_all_are_chosen_among_those_of_each(members):
    start = FIRST_START + 12 * 900
    for fake, transformer, volts in zip(
        members.fakes, (1, 2, 3), (130, 150, 140), strict=True
    ):
        row = (99, transformer, 1, volts, volts, volts, 1, 1)
        fake.add(min(fake.states), windows_of(start, row), watermark=start)
    _, answer = await members.json(0, "/api/v1/windows?sort=-maximum_volts&limit=3")
    assert [150, 140, 130] == [w["maximum_volts"] for w in answer["windows"]]


async def test_the_top_is_that_of_all_workers(members):
    answers = [(await members.json(n, "/api/v1/top?limit=5"))[1] for n in range(3)]
    assert 21 == answers[0]["transformers_count"]
    for answer in answers:
        assert answers[0]["transformers"] == answer["transformers"]
    await members.stop(2)
    _, answer = await members.json(0, "/api/v1/top")
    assert [5, 6, 7] == answer["missing"]["lanes"]


async def test_predictions_and_scores_are_those_of_all_workers(members):
    for fake in members.fakes:
        fake.foresee(transformers=21, starts=100)
    answers = [(await members.json(n, "/api/v1/predictions"))[1] for n in range(3)]
    assert 21 * (100 - 48) == answers[0]["scores"]["week"]["labels_count"]
    for answer in answers:
        assert answers[0]["transformers"] == answer["transformers"]
        # Sums of floats: equal but for the order in which lanes are added.
        published = [a["scores"]["week"]["models"]["published"] for a in answers]
        assert published[0] == pytest.approx(published[1])
        assert published[0] == pytest.approx(published[2])
        assert answers[0]["champions"] == answer["champions"]
    path = "/api/v1/transformers/11/3/predictions"
    ones = [(await members.json(n, path))[1]["predictions"] for n in range(3)]
    assert ones[0]
    assert ones[0] == ones[1] == ones[2]
