"""What the launcher signals is what it started, and nothing else."""

import os
import signal
import sys
import time

import psutil
import pytest

from deploy.local import process
from deploy.local.errors import LauncherError
from deploy.local.ledger import Entry, Ledger

SLEEP = [sys.executable, "-c", "import time; print('here'); time.sleep(60)"]
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
STUBBORN = [
    sys.executable,
    "-uc",
    f"import signal, time; {DEAF}; print('here'); time.sleep(60)",
]


def wait_for_output(log):
    deadline = time.monotonic() + 20
    while "here" not in process.tail(log, 5):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "logs" / "sleep.log"


def test_process_is_stopped_and_its_exit_code_known(log):
    started = process.spawn(SLEEP, log=log)
    assert started.alive
    started.stop(20)
    assert not started.alive
    assert -signal.SIGTERM == started.exit_code


def test_process_that_ignores_the_request_is_killed(log):
    started = process.spawn(STUBBORN, log=log)
    wait_for_output(log)
    started.stop(0.2)
    assert -signal.SIGKILL == started.exit_code


def test_frozen_process_is_stopped_too(log):
    started = process.spawn(SLEEP, log=log)
    started.signal(signal.SIGSTOP)
    started.stop(20)
    assert not started.alive


def test_number_given_to_another_process_is_not_signalled():
    stranger = process.Process(
        pid=os.getpid(), started=psutil.Process().create_time() - 60
    )
    assert not stranger.alive
    stranger.kill()  # would end this test run


def test_process_is_found_again_by_its_ledger_entry(tmp_path, log):
    started = process.spawn(SLEEP, log=log)
    Ledger(tmp_path).write("sleep", Entry(pid=started.pid, started=started.started))

    found = Ledger(tmp_path).read()["sleep"].process

    assert found.alive
    found.kill()
    assert not started.alive


def test_last_log_is_kept_beside_the_new_one(log):
    for word in ("first", "second"):
        started = process.spawn([sys.executable, "-c", f"print('{word}')"], log=log)
        assert started.wait(20)
    assert "second" == process.tail(log, 5)
    assert "first" == process.tail(log.with_suffix(".log.1"), 5)


def test_tail_is_the_last_lines_only(tmp_path):
    log = tmp_path / "long.log"
    log.write_text("\n".join(str(n) for n in range(100_000)))
    assert "99998\n99999" == process.tail(log, 2)
    assert "" == process.tail(tmp_path / "none.log", 2)


def test_unreadable_ledger_says_what_to_do(tmp_path):
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(LauncherError, match="stop what it started by hand"):
        Ledger(tmp_path).read()


def test_second_launcher_is_kept_out_of_the_folder(tmp_path):
    with (
        Ledger(tmp_path).held(),
        pytest.raises(LauncherError, match="another launcher starts or stops servers"),
        Ledger(tmp_path).held(),
    ):
        pass
