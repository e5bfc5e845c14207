"""Ends what a launcher started when the launcher itself was killed.

The launcher holds the other end of this process's standard input and writes there what
it starts. The end of that input is the end of the launcher, however it came about.
"""

import json
import signal
import subprocess
import sys

from deploy.local.process import ROOT, Process

__all__ = ["Guard"]

STOP_SECONDS_MAX = 10.0
RELEASE = "release"


class Guard:
    """The launcher's side: one guard process, told of each start."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def watch(self, process: Process) -> None:
        """Have a process ended should this one die."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "deploy.local.guard"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=ROOT,
                text=True,
                start_new_session=True,
            )
        self._tell(json.dumps({"pid": process.pid, "started": process.started}))

    def release(self) -> None:
        """Let everything run on, also after this process's end."""
        if self._process is not None:
            self._tell(RELEASE)
            self.close()

    def close(self) -> None:
        """End the guard; it ends what still runs."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()
            self._process = None

    def _tell(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()


def main() -> None:
    """Note what is started until the input ends; then end it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watched: list[Process] = []
    for line in sys.stdin:
        if line.strip() == RELEASE:
            return
        watched.append(Process(**json.loads(line)))
    for process in reversed(watched):
        process.stop(STOP_SECONDS_MAX)


if __name__ == "__main__":
    main()
