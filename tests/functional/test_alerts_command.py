"""`smartmeter alerts` asks a worker, and says in one line what it will not do."""

import asyncio
import threading

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner

from app.cli.alerts import AlertsTrouble, command
from app.views.site import mount
from tests.fake_worker import FakeWorker

OPERATE = "a-token-to-operate-with"


@pytest.fixture
def fake():
    """A worker that is served in a thread, since the command has its own loop."""
    fake = FakeWorker(environ={"SMARTMETER_WORKER__OPERATOR_TOKEN": OPERATE})
    fake.alarm(transformers=21, starts=74)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    application = web.Application()
    mount(application, fake.worker)
    server = TestServer(application)
    asyncio.run_coroutine_threadsafe(server.start_server(), loop).result(10)
    fake.url = str(server.make_url("")).rstrip("/")
    fake.owners = {fake.url: list(fake.states)}
    yield fake
    asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def run(fake, monkeypatch):
    def run(*words, token=OPERATE):
        monkeypatch.setenv("SMARTMETER_WORKER__OPERATOR_TOKEN", token)
        return CliRunner().invoke(command, [*words, "--worker", fake.url])

    return run


def test_alerts_are_listed_as_a_table_and_as_json(run):
    table = run("list", "--state", "all", "--limit", "5").output
    assert "5 of 23 alerts" in table
    assert "2016-11-19 11:15" in table
    rows = [
        orjson.loads(line)
        for line in run("list", "--line", "11", "--json").output.splitlines()
    ]
    assert {11} == {row["line"] for row in rows}


def test_operator_acknowledges_several_at_once(run, fake):
    names = [
        orjson.loads(line)["alert"]
        for line in run("list", "--json", "--limit", "2").output.splitlines()
    ]
    done = run("acknowledge", *names)
    assert [f"{name}: acknowledged" for name in names] == done.output.splitlines()
    assert 2 == len(fake.commands)
    assert "2 of 2 alerts" in run("list", "--state", "acknowledged").output


@pytest.mark.parametrize(
    ("words", "token", "told"),
    [
        (("acknowledge", "11-1-high-5"), OPERATE, "no alert is called 11-1-high-5"),
        (("acknowledge", "11-1-high-5"), "x" * 20, "WORKER__OPERATOR_TOKEN"),
    ],
)
def test_what_is_refused_is_said_in_one_line(run, words, token, told):
    error = run(*words, token=token).exception
    assert isinstance(error, AlertsTrouble)
    assert told in str(error)
    assert "\n" not in str(error)


def test_silent_worker_is_said_in_one_line():
    done = CliRunner().invoke(command, ["list", "--worker", "http://127.0.0.1:9"])
    assert isinstance(done.exception, AlertsTrouble)
    assert "no worker answers at http://127.0.0.1:9" in str(done.exception)
