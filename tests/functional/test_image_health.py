"""The image's health check, against pages as our processes serve them."""

import asyncio
import json
import os
import re
import sys
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from app import settings
from app.alive import PORTS, ask, port_of
from app.certificates import Wanted, issue
from app.tls import pages_context

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def live(status, text, environ=None):
    """Serve /live; yield its port."""
    application = web.Application()

    async def answer(_):
        return web.Response(status=status, text=text)

    application.router.add_get("/live", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    port = unused_port()
    context = pages_context(settings.load(environ or {}).web)
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    yield port
    await runner.cleanup()


async def checked(port, **environ):
    """Run the command of the Dockerfile; return its exit code and what it prints."""
    text = (ROOT / "Dockerfile").read_text()
    words = json.loads(re.search(r"HEALTHCHECK .*?CMD (\[.*?\])", text, re.DOTALL)[1])
    assert "python" == words[0]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words[1:],
        env={**os.environ, "LIVE_PORT": str(port), **environ},
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate()
    return process.returncode, told.decode().strip()


async def test_process_that_lives_is_healthy():
    async with live(200, "ok") as port:
        assert (0, "ok") == await checked(port)


async def test_process_that_stands_still_is_not_and_its_reason_is_shown():
    async with live(503, "lane 0: no progress for 30 s") as port:
        assert (1, "lane 0: no progress for 30 s") == await checked(port)


async def test_process_that_does_not_answer_is_not():
    code, told = await checked(port := unused_port())
    assert 1 == code
    assert f"port {port}: [Errno 111] Connection refused" == told


async def test_proxy_of_the_environment_is_not_asked():
    async with live(200, "ok") as port:
        away = f"http://127.0.0.1:{unused_port()}"
        assert (0, "ok") == await checked(port, http_proxy=away, HTTP_PROXY=away)


async def test_encrypted_pages_are_asked_by_the_authority(tmp_path):
    hosts = ("localhost", "127.0.0.1")
    for name in ("ours", "stranger"):
        folder = tmp_path / name
        issue(Wanted(folder=folder, hosts=hosts, life=timedelta(days=1)))
    environ = {
        "SMARTMETER_WEB__CA_FILE": str(tmp_path / "ours" / "ca.crt"),
        "SMARTMETER_WEB__CERTIFICATE_FILE": str(tmp_path / "ours" / "server.pem"),
    }
    async with live(200, "ok", environ) as port:
        assert (0, "ok") == await checked(port, **environ)
        stranger = str(tmp_path / "stranger" / "ca.crt")
        alive, told = await asyncio.to_thread(ask, port, stranger)
        assert not alive
        assert "CERTIFICATE_VERIFY_FAILED" in told


def test_usual_ports_are_those_of_the_settings():
    usual = settings.load({})
    assert {
        "bridge": usual.bridge.port,
        "worker": usual.worker.port,
        "archive": usual.archive.web_port,
        "exporter": usual.exporter.port,
        "simulate": 6095,
    } == PORTS


@pytest.mark.parametrize(
    ("words", "environ", "expected"),
    [
        ("/opt/bin/python /opt/bin/smartmeter worker", {}, 6066),
        ("/sbin/docker-init -- smartmeter simulate --rate 5", {}, 6095),
        ("/opt/bin/python /opt/bin/smartmeter bridge", {"LIVE_PORT": "7000"}, 7000),
        ("/opt/bin/python /opt/bin/smartmeter schema apply", {}, None),
        ("smartmeter", {}, None),
        ("sleep 5", {}, None),
    ],
)
def test_port_follows_from_what_the_container_runs(words, environ, expected):
    assert expected == port_of(words.split(), environ)
