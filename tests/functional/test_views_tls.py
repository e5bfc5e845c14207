"""Pages over TLS: nothing is said in the clear, and nobody is trusted unknown."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port
from click.testing import CliRunner

from app import settings
from app.certificates import Wanted, issue
from app.cli.alerts import AlertsTrouble, command
from app.health import serve_health
from app.settings.web import Web
from app.tls import pages_context, pages_trust
from app.views.access import COOKIE
from app.views.site import mount
from tests.fake_worker import FakeWorker

HOSTS = ("localhost", "127.0.0.1")
READ, OPERATE = "a-token-to-read-with", "a-token-to-operate-with"


def environ_of(folder, **more):
    """Return the settings of a process whose pages show the folder's certificate."""
    return {
        "SMARTMETER_WEB__CA_FILE": str(folder / "ca.crt"),
        "SMARTMETER_WEB__CERTIFICATE_FILE": str(folder / "server.pem"),
        "SMARTMETER_WORKER__READ_TOKEN": READ,
        "SMARTMETER_WORKER__OPERATOR_TOKEN": OPERATE,
        **more,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ours")
    issue(Wanted(folder=folder, hosts=HOSTS, life=timedelta(days=1)))
    return folder


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """Certificates by an authority that nobody here knows."""
    folder = tmp_path_factory.mktemp("stranger")
    issue(Wanted(folder=folder, hosts=HOSTS, life=timedelta(days=1)))
    return folder


@asynccontextmanager
async def served(*fakes):
    """Serve the sites of workers, each where it says it is."""
    runners = []
    for fake in fakes:
        application = web.Application()
        mount(application, fake.worker)
        runner = web.AppRunner(application, shutdown_timeout=1)
        await runner.setup()
        port = int(fake.url.rpartition(":")[2])
        encryption = pages_context(fake.settings.web)
        await web.TCPSite(runner, HOSTS[1], port, ssl_context=encryption).start()
        runners.append(runner)
    try:
        yield
    finally:
        for runner in runners:
            await runner.cleanup()


def a_worker(environ, owned=None, scheme="https"):
    url = f"{scheme}://{HOSTS[1]}:{unused_port()}"
    return FakeWorker(url=url, owned=owned, environ=environ)


def asking(environ):
    """Return a client that trusts whom these settings name, and has the token."""
    trust = pages_trust(settings.load(environ).web)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=trust),
        cookie_jar=aiohttp.CookieJar(unsafe=True),  # of an address, not of a name
        headers={"Authorization": f"Bearer {READ}"},
    )


async def test_pages_are_for_those_who_know_the_authority(folder, stranger):
    fake = a_worker(environ_of(folder))
    async with served(fake):
        async with asking(environ_of(folder)) as client:
            answer = await client.get(f"{fake.url}/api/v1/overview")
            assert 200 == answer.status
            lasting = answer.headers["Strict-Transport-Security"]
            assert int(lasting.removeprefix("max-age=")) >= 180 * 86_400
        for wrong in (environ_of(stranger), {"SMARTMETER_WEB__TLS": "yes"}):
            async with asking(wrong) as client:
                with pytest.raises(aiohttp.ClientConnectorCertificateError):
                    await client.get(f"{fake.url}/live")


async def test_nothing_is_said_in_the_clear(folder):
    fake = a_worker(environ_of(folder))
    async with served(fake):
        reader, writer = await asyncio.open_connection(*fake.url[8:].split(":"))
        writer.write(b"GET /api/v1/overview HTTP/1.1\r\nHost: worker\r\n\r\n")
        assert b"HTTP" not in await reader.read()
        writer.close()


async def test_old_protocols_are_refused(folder):
    assert (
        ssl.TLSVersion.TLSv1_2
        <= pages_context(settings.load(environ_of(folder)).web).minimum_version
    )


async def test_session_is_for_encrypted_connections_alone(folder):
    fake = a_worker(environ_of(folder))
    async with served(fake), asking(environ_of(folder)) as client:
        form = {"token": READ, "next": "/"}
        url = f"{fake.url}/login"
        answer = await client.post(url, data=form, allow_redirects=False)
        assert answer.cookies[COOKIE]["secure"]


async def test_plain_pages_ask_no_browser_to_stay_encrypted():
    fake = a_worker({}, scheme="http")
    async with served(fake), aiohttp.ClientSession() as client:
        answer = await client.get(f"{fake.url}/live")
        assert "Strict-Transport-Security" not in answer.headers


async def test_workers_answer_for_each_other_over_tls(folder):
    environ = environ_of(folder)
    fakes = [a_worker(environ, range(4)), a_worker(environ, range(4, 8))]
    owners = {fake.url: list(fake.states) for fake in fakes}
    for fake in fakes:
        fake.owners = owners
        fake.fill(transformers=21, starts=4)
    async with served(*fakes), asking(environ) as client:
        for fake in fakes:
            answer = await client.get(f"{fake.url}/api/v1/windows")
            found = await answer.json()
            assert 21 * 4 == found["matched_windows"]
            assert {"lanes": [], "workers": []} == found["missing"]


async def test_a_worker_that_is_not_trusted_is_named_and_gets_no_token(
    folder, stranger
):
    asked = []

    @web.middleware
    async def note(request, handler):
        asked.append(dict(request.headers))
        return await handler(request)

    plain = web.Application(middlewares=[note])
    runner = web.AppRunner(plain)
    await runner.setup()
    await web.TCPSite(runner, HOSTS[1], port := unused_port()).start()
    ours = a_worker(environ_of(folder), [0, 1])
    other = a_worker(environ_of(stranger), [2, 3])
    clear = f"http://{HOSTS[1]}:{port}"
    silent = f"https://{HOSTS[1]}:{port}"
    ours.owners = {ours.url: [0, 1], other.url: [2, 3], clear: [4, 5], silent: [6, 7]}
    async with served(ours, other), asking(environ_of(folder)) as client:
        answer = await client.get(f"{ours.url}/api/v1/windows")
        missing = (await answer.json())["missing"]
    await runner.cleanup()
    reasons = {each["url"]: each["reason"] for each in missing["workers"]}
    assert "certificate that is not trusted" in reasons[other.url]
    assert "SMARTMETER_WEB__CA" in reasons[other.url]
    assert "does not encrypt" in reasons[clear]
    assert "does not speak TLS" in reasons[silent]
    assert [] == asked


async def test_workers_with_names_made_up_show_the_name_that_is_agreed(tmp_path):
    issue(Wanted(folder=tmp_path, hosts=["worker"], life=timedelta(days=1)))
    agreed = environ_of(tmp_path, SMARTMETER_WEB__SERVER_NAME="worker")
    first = a_worker(agreed, range(4))
    for environ, silent in ((agreed, 0), (environ_of(tmp_path), 1)):
        asking_one = a_worker(environ, range(4, 8))
        asking_one.owners = {
            each.url: list(each.states) for each in (first, asking_one)
        }
        async with served(first, asking_one), asking(environ) as client:
            url = f"{asking_one.url}/api/v1/windows"
            answer = await client.get(url, server_hostname="worker")
            missing = (await answer.json())["missing"]["workers"]
        assert silent == len(missing), missing


async def test_commands_ask_over_tls_and_say_in_one_line_whom_they_do_not_trust(
    folder, stranger
):
    fake = a_worker(environ_of(folder))
    fake.alarm(transformers=3, starts=74)

    async def run(environ, *words):
        words = ["list", "--json", *words]
        return await asyncio.to_thread(CliRunner(env=environ).invoke, command, words)

    port = {"SMARTMETER_WORKER__PORT": fake.url.rpartition(":")[2]}
    async with served(fake):
        done = await run(environ_of(folder, **port))
        assert 0 == done.exit_code, done.exception
        assert done.output.startswith("{")
        clear = fake.url.replace("https", "http")
        for environ, words, told in (
            (environ_of(stranger), ("--worker", fake.url), "SMARTMETER_WEB__CA"),
            (environ_of(folder), ("--worker", clear), "does not encrypt"),
        ):
            error = (await run(environ, *words)).exception
            assert isinstance(error, AlertsTrouble)
            assert told in str(error)
            assert "\n" not in str(error)
            assert READ not in str(error)


async def test_health_pages_of_other_processes_are_encrypted_too(folder):
    its = Web(certificate=(folder / "server.pem").read_text())
    async with (
        serve_health(HOSTS[1], 0, its, live=str, ready=str) as port,
        asking(environ_of(folder)) as client,
    ):
        for path in ("/live", "/ready", "/metrics"):
            assert 200 == (await client.get(f"https://localhost:{port}{path}")).status
        with pytest.raises(aiohttp.ClientError):
            await client.get(f"http://localhost:{port}/metrics")
