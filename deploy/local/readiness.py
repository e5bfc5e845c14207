"""Waiting until a process can be used, and saying why where it never can."""

import json
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from deploy.local.errors import LauncherError
from deploy.local.process import Process, tail

__all__ = ["ended", "failure", "wait_until_ready"]

READY_SECONDS_MAX = 180.0
PAUSE_SECONDS = 0.2
LINES = 20

# What a log says when …, and what a person can do about it.
ADVICE = (
    ("already in use", "another program has its port: stop that one, then try again"),
    ("no space left", "the disk is full: free some space, then try again"),
    ("cannot allocate memory", "it needs 1.5 GiB of free memory: close something"),
    ("outofmemory", "it needs 1.5 GiB of free memory: close something"),
)
ADVICE_OTHERWISE = "read the whole log; `run --fresh` begins again with empty data"


def wait_until_ready(
    name: str,
    *,
    process: Process,
    probe: Callable[[], None],
    log: Path,
    given_up: threading.Event,
) -> None:
    """Try a process until it can be used.

    Raises:
        LauncherError: It ended, or is not ready after three minutes, or waiting was
            given up; with the end of its log and what to do.
    """
    deadline = time.monotonic() + READY_SECONDS_MAX
    while not given_up.is_set():
        if not process.alive:
            raise failure(name, f"{ended(process)} instead of starting", log)
        try:
            probe()
        except Exception as error:
            if time.monotonic() > deadline:
                why = f"is not ready after {READY_SECONDS_MAX:.0f} s ({error!r})"
                raise failure(name, why, log) from error
            given_up.wait(PAUSE_SECONDS)
        else:
            return
    raise LauncherError(f"{name}: given up while starting")


def ended(process: Process) -> str:
    """Say that a process has ended, and how where that is known."""
    code = process.exit_code
    if code is None:
        return "has ended"
    if code < 0:
        return f"was killed ({signal.Signals(-code).name})"
    return f"has ended (exit code {code})"


def failure(name: str, what: str, log: Path) -> LauncherError:
    """Return an error with the last lines of a log and one line of advice."""
    last = "\n".join(_readable(tail(log, LINES))[-LINES:])
    lowered = last.lower()
    advice = next((then for sign, then in ADVICE if sign in lowered), ADVICE_OTHERWISE)
    shown = f"\n{last}\n" if last else "\n(the log is empty)\n"
    return LauncherError(
        f"{name} {what}. The end of {log}:{shown}What to do: {advice}."
    )


def _readable(text: str) -> list[str]:
    """Return the lines of a log; the product's own, which are JSON, in plain words."""
    lines = []
    for line in text.splitlines():
        try:
            record = json.loads(line)
            words = f"{record['time']} {record['level']} {record['message']}"
        except (ValueError, TypeError, KeyError):
            lines.append(line)
        else:
            lines += [words, *record.get("exception", "").splitlines()]
    return lines
