"""A port that somebody takes while a process starts is no reason to give up."""

import sys

import pytest

from app import settings
from deploy.local import system
from deploy.local.errors import LauncherError
from deploy.local.process import spawn
from deploy.local.roles import role
from deploy.local.stack import Stack
from deploy.local.system import System

LOADED = settings.load({})


@pytest.fixture
def started(tmp_path, monkeypatch):
    """A system whose processes end where their port is taken; ports of each start."""
    tried = []

    def run(argv, *, log, environ):
        port = int(environ["SMARTMETER_ARCHIVE__WEB_PORT"])
        tried.append(port)
        taken = len(tried) == 1
        program = "raise SystemExit(1)" if taken else "import time; time.sleep(60)"
        return spawn([sys.executable, "-c", program], log=log)

    monkeypatch.setattr(system, "spawn", run)
    monkeypatch.setattr(system.ports, "is_free", lambda port: port not in tried[:1])
    monkeypatch.setattr(system.Pages, "require_ready", lambda *_: tried[1:][0])
    stack = Stack(tmp_path, usual_ports=False)
    made = System(stack, LOADED, lambda _: None)
    yield made, tried
    made.stop()
    stack.close()


def test_process_whose_port_was_taken_meanwhile_starts_on_another(started):
    made, tried = started
    made.start(role(LOADED, "archive", 1))
    assert 2 == len(tried) == len(set(tried))
    assert {"archive-1": tried[1]} == made.ports
    assert ["archive-1"] == made.alive


def test_process_that_ends_for_another_reason_ends_the_start(started, monkeypatch):
    made, tried = started
    monkeypatch.setattr(system.ports, "is_free", lambda _: True)
    with pytest.raises(LauncherError, match="archive-1 has ended"):
        made.start(role(LOADED, "archive", 1))
    assert (1, {}, []) == (len(tried), made.ports, made.alive)
