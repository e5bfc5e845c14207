"""Where a token is set nobody sees anything without it, and nobody forges a session."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from app.views import access
from app.views.access import COOKIE, SESSION_SECONDS, Access, Role
from app.views.site import mount
from tests.fake_worker import FakeWorker

READ, OPERATE = "a-token-to-read-with", "a-token-to-operate-with"
ENVIRON = {
    "SMARTMETER_WORKER__READ_TOKEN": READ,
    "SMARTMETER_WORKER__OPERATOR_TOKEN": OPERATE,
}
CLOSED = [
    "/",
    "/transformers",
    "/top",
    "/alerts",
    "/api/v1/alerts",
    "/api/v1/overview",
    "/api/v1/windows",
    "/metrics",
    "/no-such-page",
]
OPEN = ["/live", "/ready", "/login", "/static/style.css"]


@pytest.fixture
def fake():
    return FakeWorker(environ=ENVIRON)


@pytest.fixture
async def client(fake, monkeypatch):
    monkeypatch.setattr(access, "REFUSAL_SECONDS", 0.01)
    application = web.Application()
    mount(application, fake.worker)
    async with TestClient(TestServer(application)) as client:
        yield client


async def status(client, path, **options):
    async with client.get(path, allow_redirects=False, **options) as response:
        return response.status


def bearer(token):
    return {"headers": {"Authorization": f"Bearer {token}"}}


async def sign_in(client, token, goal="/"):
    form = {"token": token, "next": goal}
    async with client.post("/login", data=form, allow_redirects=False) as response:
        return response.status, response.headers.get("Location")


@pytest.mark.parametrize("path", CLOSED)
async def test_a_page_shows_nothing_without_a_token(client, path):
    async with client.get(path, allow_redirects=False) as response:
        if path.startswith("/api/") or path == "/metrics":
            assert 401 == response.status
            assert response.headers["WWW-Authenticate"].startswith("Bearer")
        else:
            assert 303 == response.status
            assert response.headers["Location"].startswith("/login?next=")
        assert "smartmeter_live" not in await response.text()


@pytest.mark.parametrize("path", OPEN)
async def test_health_login_and_files_need_no_token(client, path):
    assert 200 == await status(client, path)


@pytest.mark.parametrize("token", [READ, OPERATE])
async def test_a_program_sends_a_token(client, token):
    assert 200 == await status(client, "/api/v1/overview", **bearer(token))
    assert 200 == await status(client, "/metrics", **bearer(token))


@pytest.mark.parametrize("token", ["", "x", READ[:-1], READ + "x", READ.upper()])
async def test_another_token_is_none(client, token):
    assert 401 == await status(client, "/api/v1/overview", **bearer(token))


async def test_a_person_signs_in_and_gets_where_they_wanted(client):
    assert (303, "/top?by=minimum_volts") == await sign_in(
        client, READ, "/top?by=minimum_volts"
    )
    assert 200 == await status(client, "/top")
    assert 200 == await status(client, "/api/v1/overview")
    async with client.post("/logout", allow_redirects=False) as response:
        assert 303 == response.status
    assert 303 == await status(client, "/top")


async def test_the_session_is_out_of_reach_of_scripts_and_other_sites(client):
    form = {"token": READ, "next": "/"}
    async with client.post("/login", data=form, allow_redirects=False) as response:
        cookie = response.cookies[COOKIE]
    assert cookie["httponly"]
    assert "Strict" == cookie["samesite"]
    assert READ not in cookie.value


@pytest.mark.parametrize(
    "goal", ["https://evil.example/", "//evil.example/", "/\\evil", "", "javascript:x"]
)
async def test_nobody_is_sent_to_another_site(client, goal):
    assert (303, "/") == await sign_in(client, READ, goal)


async def test_a_wrong_token_is_refused_in_words(client):
    async with client.post("/login", data={"token": "guess"}) as response:
        assert 403 == response.status
        text = await response.text()
    assert "That token is not known here." in text
    assert "guess" not in text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_a_reader_changes_nothing(client, method):
    async with client.request(method, "/api/v1/windows", **bearer(READ)) as response:
        assert 403 == response.status
    async with client.request(method, "/api/v1/windows", **bearer(OPERATE)) as response:
        assert 405 == response.status


async def test_workers_show_each_other_their_lanes():
    one = FakeWorker(environ=ENVIRON, owned=[0, 1, 2, 3])
    two = FakeWorker(environ=ENVIRON, owned=[4, 5, 6, 7])
    for fake in (one, two):
        fake.fill(transformers=21, starts=3)
    applications = web.Application(), web.Application()
    for application, fake in zip(applications, (one, two), strict=True):
        mount(application, fake.worker)
    async with (
        TestClient(TestServer(applications[0])) as client,
        TestServer(applications[1]) as server,
    ):
        url = str(server.make_url("")).rstrip("/")
        one.owners = {one.url: [0, 1, 2, 3], url: [4, 5, 6, 7]}
        async with client.get("/api/v1/windows", **bearer(READ)) as response:
            answer = await response.json()
    assert [] == answer["missing"]["lanes"]
    assert 21 * 3 == answer["matched_windows"]


def worker_settings():
    return FakeWorker(environ=ENVIRON).settings.worker


def test_a_session_is_signed_and_ends():
    now = [1_000_000.0]
    here = Access(worker_settings(), clock=lambda: now[0])
    session = here.session(Role.READER)
    assert Role.READER is here.role_in(session)
    role, until, signature = session.split(".")
    for forged in (
        "",
        "2",
        f"2.{until}.{signature}",
        f"{role}.{int(until) + 1}.{signature}",
        f"{role}.{until}.{'0' * 64}",
    ):
        assert Role.NOBODY is here.role_in(forged)
    now[0] += SESSION_SECONDS
    assert Role.NOBODY is here.role_in(session)


def test_new_tokens_end_all_sessions():
    session = Access(worker_settings()).session(Role.OPERATOR)
    other = {**ENVIRON, "SMARTMETER_WORKER__OPERATOR_TOKEN": "another-token-to-use"}
    there = Access(FakeWorker(environ=other).settings.worker)
    assert Role.NOBODY is there.role_in(session)


async def test_without_tokens_all_is_seen_and_nothing_is_changed():
    fake = FakeWorker()
    application = web.Application()
    mount(application, fake.worker)
    async with TestClient(TestServer(application)) as client:
        assert 200 == await status(client, "/")
        assert (403, None) == await sign_in(client, "")
        async with client.post("/api/v1/windows") as response:
            assert 403 == response.status
