"""Alerts of the whole cluster through any worker, and who may acknowledge them."""

from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, unused_port
from aiokafka.errors import KafkaError
from jsonschema import Draft202012Validator

from app.domain.readings import lane_of
from app.views.openapi import document
from app.views.site import mount
from tests.fake_worker import FakeWorker

READ, OPERATE = "a-token-to-read-with", "a-token-to-operate-with"
ENVIRON = {
    "SMARTMETER_WORKER__READ_TOKEN": READ,
    "SMARTMETER_WORKER__OPERATOR_TOKEN": OPERATE,
}
SHARES = [[0, 1, 2], [3, 4], [5, 6, 7]]
ACKNOWLEDGE = "/api/v1/alerts/{alert}/acknowledge"


class Members:
    """Three workers that share the lanes, and a client for each."""

    def __init__(self, fakes, clients):
        self.fakes = fakes
        self.clients = clients

    async def json(self, path, *, member=0, token=READ, method="GET"):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        client = self.clients[member]
        async with client.request(method, path, headers=headers) as response:
            return response.status, await response.json()

    async def acknowledge(self, alert, **options):
        path = ACKNOWLEDGE.format(alert=alert)
        return await self.json(path, **{"token": OPERATE, "method": "POST"} | options)

    @property
    def commands(self):
        return [command for fake in self.fakes for command in fake.commands]


@pytest.fixture
async def members():
    urls = [f"http://127.0.0.1:{unused_port()}" for _ in SHARES]
    owners = dict(zip(urls, SHARES, strict=True))
    fakes, clients = [], []
    async with AsyncExitStack() as stack:
        for url, owned in owners.items():
            fake = FakeWorker(url=url, owned=owned, environ=ENVIRON)
            fake.owners = owners
            fake.alarm(transformers=21, starts=48)
            application = web.Application()
            mount(application, fake.worker)
            server = TestServer(application, port=int(url.rpartition(":")[2]))
            fakes.append(fake)
            clients.append(await stack.enter_async_context(TestClient(server)))
        # A command goes through Kafka to whoever has the lane, here at once.
        everything = {n: state for fake in fakes for n, state in fake.alerts.items()}
        for fake in fakes:
            own = set(fake.alerts)
            fake.alerts = Owned(everything, own)
        yield Members(fakes, clients)


class Owned(dict):
    """The alerts of a worker's lanes; by number, those of the others too."""

    def __init__(self, everything, own):
        super().__init__({n: everything[n] for n in own})
        self._everything = everything

    def __missing__(self, lane):
        return self._everything[lane]


async def first(members, state="raised"):
    _, answer = await members.json(f"/api/v1/alerts?state={state}")
    return answer["alerts"][0]


async def test_every_worker_shows_the_same_alerts_of_all(members):
    answers = [
        (await members.json("/api/v1/alerts?limit=5000", member=n))[1] for n in range(3)
    ]
    known = sum(
        len(list(state)) for fake in members.fakes for state in fake.alerts.values()
    )
    assert known == answers[0]["matched_alerts"] == len(answers[0]["alerts"])
    assert known > 20
    for answer in answers:
        assert {"lanes": [], "workers": []} == answer["missing"]
        assert (answers[0]["alerts"], answers[0]["counts"]) == (
            answer["alerts"],
            answer["counts"],
        )


async def test_what_needs_a_person_comes_first_and_then_the_newest(members):
    seen = await first(members)
    await members.acknowledge(seen["alert"])
    _, answer = await members.json("/api/v1/alerts?limit=5000")
    states = [row["state"] for row in answer["alerts"]]
    order = ["raised", "acknowledged", "cleared"]
    assert sorted(states, key=order.index) == states
    assert set(order) == set(states)
    raised = [
        r["raised_epoch_seconds"] for r in answer["alerts"] if r["state"] == "raised"
    ]
    assert sorted(raised, reverse=True) == raised


async def test_filters_narrow_and_a_limit_keeps_the_counts(members):
    _, every = await members.json("/api/v1/alerts?limit=5000")
    _, some = await members.json("/api/v1/alerts?state=open&line=12&limit=1")
    mine = [row for row in every["alerts"] if row["line"] == 12]
    still = [row for row in mine if row["state"] != "cleared"]
    assert (still[:1], len(still)) == (some["alerts"], some["matched_alerts"])
    assert len(mine) == sum(some["counts"].values())
    _, low = await members.json("/api/v1/alerts?kind=low")
    assert ([], 0) == (low["alerts"], low["matched_alerts"])


async def test_operator_acknowledges_through_any_worker(members):
    for member in range(3):
        alert = await first(members)
        status, answer = await members.acknowledge(alert["alert"], member=member)
        assert 202 == status
        schema = document()["paths"][ACKNOWLEDGE]["post"]["responses"]["202"]
        validator = Draft202012Validator(
            schema["content"]["application/json"]["schema"]
        )
        validator.validate(answer)
        lane, _ = members.fakes[member].commands[-1]
        assert lane_of(alert["line"], alert["transformer"], 8) == lane
        path = f"/api/v1/alerts/{alert['alert']}"
        _, one = await members.json(path, member=(member + 1) % 3)
        assert "acknowledged" == one["alert"]["state"]


async def test_second_acknowledgement_writes_nothing(members):
    alert = await first(members)
    await members.acknowledge(alert["alert"])
    status, answer = await members.acknowledge(alert["alert"])
    assert (200, "acknowledged") == (status, answer["alert"]["state"])
    assert 1 == len(members.commands)


@pytest.mark.parametrize(("token", "status"), [(READ, 403), ("", 403), ("x" * 20, 403)])
async def test_only_an_operator_may_acknowledge(members, token, status):
    alert = await first(members)
    answered, _ = await members.acknowledge(alert["alert"], token=token)
    assert status == answered
    assert [] == members.commands
    assert "raised" == (await first(members))["state"]


@pytest.mark.parametrize(
    "alert", ["11-1-high-5", "11-1-low", "9999999999-1-low-5", "what", "..%2Fwindows"]
)
async def test_unknown_alert_is_not_found_and_nothing_is_written(members, alert):
    for member in range(3):
        status, answer = await members.acknowledge(alert, member=member)
        assert (404, 404) == (status, answer["status"])
    assert [] == members.commands


async def test_alert_of_a_worker_that_is_gone_is_refused_for_now(members):
    _, answer = await members.json("/api/v1/alerts?limit=5000")
    gone = next(
        row["alert"]
        for row in answer["alerts"]
        if lane_of(row["line"], row["transformer"], 8) in SHARES[2]
    )
    await members.clients[2].close()
    status, answer = await members.acknowledge(gone)
    assert (503, "the worker of its lane does not answer now") == (
        status,
        answer["error"],
    )
    _, answer = await members.json("/api/v1/alerts")
    assert SHARES[2] == answer["missing"]["lanes"]


async def test_silent_kafka_is_said_and_the_alert_stays(members):
    alert = await first(members)
    for fake in members.fakes:
        fake.failures.append(KafkaError("away"))
    status, answer = await members.acknowledge(alert["alert"])
    assert 503 == status
    assert "Kafka does not answer" in answer["error"]


async def test_overview_counts_open_alerts_of_all_workers(members):
    _, alerts = await members.json("/api/v1/alerts")
    _, overview = await members.json("/api/v1/overview")
    totals = overview["totals"]
    assert (alerts["counts"]["raised"], 0) == (
        totals["alerts_raised"],
        totals["alerts_acknowledged"],
    )
    assert totals["alerts_raised"] > 0


async def test_page_offers_the_button_to_operators_only(members):
    client = members.clients[0]
    for token, offered in ((READ, False), (OPERATE, True)):
        headers = {"Authorization": f"Bearer {token}"}
        async with client.get("/alerts", headers=headers) as response:
            html = await response.text()
        assert offered == ('data-may-operate="yes"' in html)
        assert offered != ("Sign in with the operator" in html)
