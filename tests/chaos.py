"""Faults on purpose: a schedule drawn from a seed, and what carries it out."""

import contextlib
import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from deploy.local.stack import Stack
from tests.road import Road

SERVERS = ("kafka", "nats")


@dataclass(frozen=True)
class Fault:
    """What happens to whom, when (seconds after the start), for how long."""

    at: float
    what: str
    whom: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.at:6.1f} s  {self.what:<7} {self.whom:<10} {self.seconds:4.1f} s"


def draw(seed: int, seconds: float, names: list[str], every: float) -> list[Fault]:
    """Draw a schedule; each fault leaves its victim alone again before the end."""
    chooser = random.Random(seed)
    faults, at = [], every / 2
    while at < seconds:
        whom = chooser.choice([*names, *names, *SERVERS])
        if whom in SERVERS:
            what, length = "kill", chooser.uniform(0.1, 2.0)
        else:
            what = chooser.choice(("kill", "kill", "pause", "stop"))
            length = chooser.uniform(0.1, 4.0)
            if what == "pause":
                length = chooser.uniform(1.0, 14.0)  # also beyond the session timeout
        faults.append(Fault(at, what, whom, length))
        at += chooser.expovariate(1 / every)
    return faults


class Chaos:
    """Carries faults out, and keeps alive what has died without being told to."""

    def __init__(
        self, road: Road, stack: Stack, names: list[str], say: Callable[[str], None]
    ) -> None:
        self._road = road
        self._stack = stack
        self._names = names
        self._say = say
        self._down: set[str] = set()
        self._locks = {name: threading.Lock() for name in names}
        # One at a time: the launcher of a folder starts and stops for one caller.
        self._locks |= dict.fromkeys(SERVERS, threading.Lock())
        self._over = threading.Event()

    def run(self, faults: list[Fault]) -> None:
        """Carry out a schedule, then wait until everything runs again."""
        keeper = threading.Thread(target=self._keep)
        keeper.start()
        began = time.monotonic()
        threads = []
        for fault in faults:
            time.sleep(max(0.0, began + fault.at - time.monotonic()))
            threads.append(threading.Thread(target=self._do, args=(fault,)))
            threads[-1].start()
        for thread in threads:
            thread.join()
        self._over.set()
        keeper.join()

    def _do(self, fault: Fault) -> None:
        with self._locks[fault.whom]:
            self._down.add(fault.whom)
            try:
                self._say(str(fault))
                if fault.whom in SERVERS:
                    self._stack.kill(fault.whom)
                    time.sleep(fault.seconds)
                    self._stack.start(fault.whom)
                    return
                process = self._road.processes[fault.whom]
                if fault.what == "pause":
                    process.pause()
                    time.sleep(fault.seconds)
                    process.resume()
                    return
                if fault.what == "kill":
                    process.kill()
                else:
                    process.stop(30)
                time.sleep(fault.seconds)
                self._road.start(fault.whom)
            finally:
                self._down.discard(fault.whom)

    def _keep(self) -> None:
        """Start again what ended by itself, as a supervisor would."""
        while not self._over.wait(0.3):
            for name in self._names:
                if name in self._down or self._road.processes[name].alive:
                    continue
                if self._locks[name].acquire(blocking=False):
                    try:
                        code = self._road.processes[name].exit_code
                        self._say(
                            f"          {name} ended ({code}): {self._last(name)}"
                        )
                        self._road.start(name)
                    finally:
                        self._locks[name].release()

    def _last(self, name: str) -> str:
        """Return the last line that a process logged, short."""
        line = ["", *self._road.log(name).splitlines()][-1]
        # What is not one of our log lines is shown as it is.
        with contextlib.suppress(ValueError, KeyError):
            line = json.loads(line)["message"]
        return line[:100]
