"""What ends a process is one line: a full disk, a setting, also under `faust`."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import SmartMeterError
from app.exports.files import whole_file
from deploy.local.process import ROOT


def test_export_to_a_full_disk_leaves_nothing_and_says_what_next(tmp_path):
    path = tmp_path / "raw.csv"

    def fill():
        with whole_file(path) as file:
            file.write(b"half a row")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(SmartMeterError) as caught:
        fill()
    told = "the disk is full: free some space, or choose another place"
    assert f"{path}: {told}" == str(caught.value)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("stage", ["app", "app.archive"])
def test_faust_says_a_wrong_setting_in_one_line_too(stage):
    done = subprocess.run(
        [sys.executable, "-m", "faust", "-A", stage, "worker"],
        check=False,
        cwd=ROOT,
        env={"SMARTMETER_NOT_A_SETTING": "1"},
        capture_output=True,
        text=True,
    )
    assert 1 == done.returncode
    told = "SMARTMETER_NOT_A_SETTING: no such setting (see `smartmeter settings`)"
    assert f"smartmeter: {told}" == done.stderr.strip()


def test_log_on_a_full_disk_is_said_once_and_stops_nothing():
    program = (
        "import logging; from app import logs; logs.configure('info');"
        "[logging.getLogger('app').info('line %s', n) for n in range(9)]"
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", f"{program}; import os; os._exit(0)"],
            check=False,
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    told = "the disk is full: free some space, or choose another place"
    assert (0, f"smartmeter: the log: {told}; work goes on, unlogged\n") == (
        done.returncode,
        done.stderr,
    )
