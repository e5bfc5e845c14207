"""Processes that the launcher starts, and only those.

A process is known by its number and its start: a number that the system has given to
another process since is never signalled. Each leads a group of its own, so that a
Ctrl-C in the terminal reaches the launcher alone and what it starts ends with it.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

__all__ = ["ROOT", "Process", "spawn", "tail"]

ROOT = Path(__file__).parents[2]  # where `python -m app` is found
START_SECONDS_TOLERANCE = 2.0  # the clock may have been set since
KILL_SECONDS_MAX = 10.0
POLL_SECONDS = 0.05
TAIL_BYTES = 16_384


@dataclass(frozen=True, kw_only=True)
class Process:
    """A started process, here or by an earlier launcher."""

    pid: int
    started: float  # epoch seconds
    child: subprocess.Popen[bytes] | None = field(default=None, compare=False)

    @property
    def alive(self) -> bool:
        """Whether it still runs; a number given to another process does not count."""
        if self.child is not None:
            return self.child.poll() is None
        try:
            found = psutil.Process(self.pid)
            since = abs(found.create_time() - self.started)
            # Its first thread may have ended while others still hold its ports.
            ended = found.status() == psutil.STATUS_ZOMBIE and found.num_threads() <= 1
        except psutil.NoSuchProcess:
            return False
        return since < START_SECONDS_TOLERANCE and not ended

    @property
    def cpu_seconds(self) -> float:
        """Processor time that it has used, its children's not counted."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    @property
    def resident_bytes(self) -> int:
        """Memory that it holds now, its children's not counted."""
        return int(psutil.Process(self.pid).memory_info().rss)

    @property
    def exit_code(self) -> int | None:
        """How a child of ours ended; None while it runs or where it is not ours."""
        return None if self.child is None else self.child.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and all that it has started."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def pause(self) -> None:
        """Freeze it, and return when no thread of it runs any more."""
        self.signal(signal.SIGSTOP)
        self._poll(lambda: not self.alive or self._is_frozen(), KILL_SECONDS_MAX)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self.signal(signal.SIGCONT)

    def stop(self, seconds_max: float) -> None:
        """End it in good order, or by force after a time."""
        self.signal(signal.SIGTERM)
        self.resume()  # a frozen one could not even end
        if not self.wait(seconds_max):
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self.signal(signal.SIGKILL)
        self.wait(KILL_SECONDS_MAX)

    def wait(self, seconds_max: float) -> bool:
        """Wait for its end; False where it still runs after that."""
        return self._poll(lambda: not self.alive, seconds_max)

    def _is_frozen(self) -> bool:
        """Whether each thread is in state T; they stop one after the other."""
        with contextlib.suppress(FileNotFoundError):
            states = Path(f"/proc/{self.pid}/task").glob("*/stat")
            return all(b") T " in state.read_bytes() for state in states)
        return False  # a thread ended while we looked

    @staticmethod
    def _poll(condition: Callable[[], bool], seconds_max: float) -> bool:
        deadline = time.monotonic() + seconds_max
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True


def spawn(
    argv: Sequence[str | Path], *, log: Path, environ: Mapping[str, str] | None = None
) -> Process:
    """Start a process whose output goes to a log; the last log stays beside it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    with log.open("wb") as output:
        child = subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=None if environ is None else dict(environ),
            start_new_session=True,
        )
    try:
        started = psutil.Process(child.pid).create_time()
    except psutil.NoSuchProcess:  # it has ended already
        started = time.time()
    return Process(pid=child.pid, started=started, child=child)


def tail(log: Path, lines: int) -> str:
    """Return the last lines of a log, as far as there are any."""
    try:
        with log.open("rb") as opened:
            opened.seek(max(0, log.stat().st_size - TAIL_BYTES))
            text = opened.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
