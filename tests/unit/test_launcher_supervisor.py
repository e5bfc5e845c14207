"""What ends by itself is started again, not for ever, and not what a run counts by."""

import itertools
import os
import signal
import sys
import threading

import pytest

from deploy.local import kept, process, readiness, run
from deploy.local.errors import LauncherError
from deploy.local.kept import Kept
from deploy.local.restarts import RESTARTS_MAX, WITHIN_SECONDS, Restarts
from deploy.local.roles import Role
from deploy.local.supervisor import Supervisor


def spawned(folder, program="pass"):
    words = [sys.executable, "-c", program]
    return process.spawn(words, log=folder / "logs" / "worker-2.log")


def a_kept(folder, name="worker-2", program="pass"):
    role = Role(name=name, words=(name,), usual_port=1)
    started = spawned(folder, program)
    return Kept(role=role, process=started, port=1, begun=0.0, was_ready=True)


class FakeSystem:
    """Keeps one process, and counts how often it is started again."""

    def __init__(self, folder, one):
        self.kept = [one]
        self.folder = folder
        self.started = 0

    def keeps(self, one):
        return one in self.kept

    def forget(self, name):
        self.kept = [one for one in self.kept if one.role.name != name]

    def log(self, name):
        return self.folder / "logs" / f"{name}.log"

    def again(self, one):
        self.started += 1
        one.respawned(spawned(self.folder), 1)


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(kept.time, "monotonic", lambda: now[0])
    return now


def test_pauses_grow_and_ends_long_ago_are_forgotten():
    restarts = Restarts()
    assert 2.0 == restarts.ended(0.0)
    assert 4.0 == restarts.ended(1.0)
    assert 2.0 == restarts.ended(2 * WITHIN_SECONDS)
    assert 3 == restarts.total


def test_process_that_ends_is_started_again_after_a_line_that_says_why(tmp_path, clock):
    one = a_kept(tmp_path, program="raise SystemExit(3)")
    system, lines = FakeSystem(tmp_path, one), []
    supervisor = Supervisor(system, lines.append, lines.append)
    one.process.wait(20)
    clock[0] = 34.0
    supervisor.look()
    (line,) = lines
    assert line == (
        "worker-2: has ended (exit code 3) after 34 s, starts again in 2 s (restart 1"
        f" of at most 5 within 10 minutes); log: {tmp_path}/logs/worker-2.log.1"
    )
    assert "ended; starts in 2 s" == one.state
    supervisor.look()
    assert 0 == system.started
    clock[0] = 36.0
    supervisor.look()
    assert (1, "starting") == (system.started, one.state)


def test_process_that_ends_too_often_is_given_up_with_its_log(tmp_path, clock):
    one = a_kept(tmp_path)
    system, lines = FakeSystem(tmp_path, one), []
    supervisor = Supervisor(system, lines.append, lines.append)

    def look_for_ever():
        for _ in itertools.count():
            one.process.wait(20)
            supervisor.look()
            clock[0] += 20.0

    with pytest.raises(LauncherError) as caught:
        look_for_ever()
    assert RESTARTS_MAX == system.started == len(lines)
    assert [] == system.kept
    told = str(caught.value).splitlines()
    assert told[0].startswith(
        "worker-2 has ended (exit code 0), for the 6th time within 10 minutes, and is"
        " not started again. The end of "
    )
    assert told[-1].startswith("What to do: ")


def test_meters_are_not_started_again(tmp_path):
    one = a_kept(tmp_path, "simulator-1")
    system = FakeSystem(tmp_path, one)
    one.process.wait(20)
    with pytest.raises(LauncherError, match="simulator-1 has ended"):
        Supervisor(system, print, print).look()
    assert [] == system.kept


def test_process_that_was_never_ready_is_left_to_who_starts_it(tmp_path):
    one = a_kept(tmp_path)
    one.was_ready = False
    one.process.wait(20)
    Supervisor(FakeSystem(tmp_path, one), print, print).look()
    assert one.again_at is None


def test_failure_is_told_from_the_thread_that_looks(tmp_path):
    one = a_kept(tmp_path, "simulator-1")
    told, failures = threading.Event(), []

    def failed(error):
        failures.append(error)
        told.set()

    with Supervisor(FakeSystem(tmp_path, one), print, failed):
        assert told.wait(20)
    assert ["simulator-1"] == [str(each).split()[0] for each in failures]


def test_end_by_a_signal_is_called_by_its_name(tmp_path):
    started = spawned(tmp_path, "import time; time.sleep(60)")
    started.signal(signal.SIGKILL)
    started.wait(20)
    assert "was killed (SIGKILL)" == readiness.ended(started)


def test_first_ctrl_c_asks_a_run_to_end_and_a_second_one_ends_it():
    with run._stop_asked() as asked:
        os.kill(os.getpid(), signal.SIGINT)
        assert asked.wait(5)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
