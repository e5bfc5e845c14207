"""The whole road on secured servers, and no secret where others could read it.

`make secure` runs it; `make test` does not: it starts servers of its own twice.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from http.client import HTTPException

import psutil
import pytest

from app import settings
from app.sinks import session
from deploy.local.pages import Pages
from deploy.local.process import ROOT
from deploy.local.secured_stack import SecuredStack
from tests import alerts_on_road
from tests.e2e.test_exact_windows import GRACE, SIZE, THRESHOLD
from tests.e2e.test_exact_windows import (
    test_windows_equal_the_oracle_though_the_live_worker_is_killed as exact_windows,
)
from tests.road import Road

NAMESPACE = "secured"
RUN_SECONDS_MAX = 240
SECRET_SUFFIXES = (".password", ".token", ".key")


class SecuredRoad(Road):
    """Processes of which each has its own account."""

    def __init__(self, stack, environ, folder):
        self.stack = stack
        self._more = environ
        super().__init__(stack.environ(NAMESPACE, "operator") | environ, folder)
        self.pages = stack.pages

    def start(self, name, command="", **environ):
        account = command or name.partition("-")[0]
        self.environ = self._inherited() | self._environ_of(account)
        try:
            super().start(name, command, **environ)
        finally:
            self.environ = self._inherited() | self._environ_of("operator")

    def _environ_of(self, account):
        return self.stack.environ(NAMESPACE, account) | self._more

    @staticmethod
    def _inherited():
        return {k: v for k, v in os.environ.items() if not k.startswith("SMARTMETER_")}

    def cql(self, statement):
        connected = session.connect(self.settings.archive)
        try:
            connected.set_keyspace(self.topology.keyspace)
            return [tuple(row) for row in connected.execute(statement, timeout=30)]
        finally:
            session.close(connected)


def secrets_of(folder):
    """Return every generated secret by its file; of a key, each line of its body."""
    found = {}
    for path in folder.rglob("*"):
        if path.suffix in SECRET_SUFFIXES:
            lines = path.read_text().splitlines()
            found[str(path.relative_to(folder))] = [
                line for line in lines if not line.startswith("---")
            ]
    assert len(found) > 10
    return found


def leaks(secrets, texts):
    """Return (secret's file, where it was found)."""
    return [
        (name, where)
        for where, text in texts
        for name, lines in secrets.items()
        if any(line in text for line in lines)
    ]


def logs(*folders):
    for folder in folders:
        for path in folder.rglob("*.log*"):
            yield str(path), path.read_text(errors="replace")


def refusals(folder):
    """Return what servers refused to accounts: each must have what it needs."""
    signs = ("Permissions Violation", "is Denied", "forbids our account")
    return [
        f"{where}: {line[:300]}"
        for where, text in logs(folder)
        for line in text.splitlines()
        if any(sign in line for sign in signs)
    ]


def processes():
    """Yield what anybody sees of a process, and what its own user sees."""
    for process in psutil.process_iter():
        try:
            yield f"arguments of {process.pid}", " ".join(process.cmdline())
            yield f"environment of {process.pid}", str(process.environ())
        except psutil.Error:
            continue


def pages(road):
    for name in road.processes:
        for path in ("/metrics", "/ready", "/live"):
            yield f"{name}{path}", road.get(name, path)


@pytest.fixture
def stack(tmp_path):
    loaded = settings.load({"SMARTMETER_NAMESPACE": NAMESPACE})
    stack = SecuredStack(tmp_path / "stack", loaded=loaded, usual_ports=False)
    with stack.running():
        yield stack


@pytest.fixture
def road(stack, tmp_path, monkeypatch):
    token = stack.secured.path("operator.token").read_text()
    monkeypatch.setattr(alerts_on_road, "TOKEN", token)
    rules = alerts_on_road.alert_environ()
    del rules[settings.variable("worker", "operator_token")]  # it comes as a file
    environ = rules | {
        settings.variable("windows", "size_seconds"): str(SIZE),
        settings.variable("windows", "grace_seconds"): str(GRACE),
        settings.variable("windows", "threshold_volts"): str(THRESHOLD),
    }
    with SecuredRoad(stack, environ, tmp_path / "road") as road:
        road.command("schema", "apply")
        yield road


def test_windows_are_exact_and_no_secret_shows(road, stack):
    exact_windows(road)

    assert [] == refusals(stack.folder / "logs")
    secrets = secrets_of(stack.secured.folder)
    seen = [
        *logs(stack.folder / "logs", road.folder),
        *pages(road),
        *processes(),
        ("settings", road.command("settings")),
        ("state.json", (stack.folder / "state.json").read_text()),
    ]
    assert len(seen) > 20
    assert [] == leaks(secrets, seen)
    for name in ("operator.password", "server.key", "pages/server.key", "reader.token"):
        assert 0o600 == (stack.secured.folder / name).stat().st_mode & 0o777
    road.pages = replace(road.pages, token="")
    with pytest.raises(OSError, match="401"):
        road.get("worker", "/metrics")
    road.pages = Pages()
    with pytest.raises((OSError, HTTPException)):  # in the clear
        road.get("worker", "/live")


def summary_of_a_run(folder, *options, seconds_max=RUN_SECONDS_MAX):
    """Run everything for a while; return its summary.

    All that was published is accounted for, no secret shows, nobody was refused.
    """
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SMARTMETER_")}
    words = ("--secure", "--for", "15", "--workers", "2", *options)
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local", "run", *words],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=seconds_max,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    ended = summary["counted"] + summary["late"] + summary["dead_letters"]
    assert summary["published"] == ended > 0
    assert summary["raw_data"] == summary["bridged"] > 0
    told = [("standard output", done.stdout), ("standard error", done.stderr)]
    seen = [*logs(folder / "logs"), *told]
    assert len(seen) > 8
    assert [] == leaks(secrets_of(folder / "secrets"), seen)
    assert [] == refusals(folder / "logs")
    return summary


def test_run_adds_up_on_secured_servers_and_no_secret_shows(tmp_path):
    folder = tmp_path / "run"
    print(f"\n{summary_of_a_run(folder, '--folder', str(folder))}")
