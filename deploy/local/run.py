"""`run`: servers, the whole system, meters, and a reckoning at the end."""

import dataclasses
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from app import settings
from app.settings import Settings
from deploy.local import control, roles, status
from deploy.local.errors import LauncherError
from deploy.local.figures import Reading, Scraper
from deploy.local.reckoning import Reckoning
from deploy.local.screen import Screen
from deploy.local.servers.base import Report
from deploy.local.stack import Stack
from deploy.local.supervisor import Supervisor
from deploy.local.system import System

__all__ = ["Options", "run"]

LOOK_SECONDS = 1.0
METERS = "simulator-1"
SCALED = ("bridge", "worker", "archive")  # the meters are what a run counts by
HOUSEHOLD = "household"
# The household's sockets have 230 V: by the usual 116 V all of it would be an alert.
HOUSEHOLD_SETTINGS = {
    settings.variable("windows", "standard"): "en50160",  # 253 V, and means
}
# In the order of the road.
SUMMARY = (
    "published",
    "bridged",
    "counted",
    "late",
    "dead_letters",
    "windows_closed",
    "raw_data",
    "max_voltage",
    "predictions_made",
    "predictions_scored",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person may choose about a run."""

    seconds: float | None
    rate: int
    workers: int
    fresh: bool
    source: str


def run(stack: Stack, options: Options, report: Report) -> None:
    """Run everything until the time is up or Ctrl-C, drain, and print the summary.

    The last line on standard output is the summary, as JSON. Its figures are of this
    run alone, also where earlier runs have left data. What ends by itself is started
    again, except servers and meters.

    Raises:
        LauncherError: Something did not start, ended too often, or does not add up.
    """
    if options.source == HOUSEHOLD:
        _judge_as_europe_does()
    loaded = settings.load()
    if options.workers > loaded.kafka.lanes:
        raise LauncherError(
            f"--workers {options.workers}: there are {loaded.kafka.lanes} lanes, and a"
            " worker without one has nothing to do"
        )
    with ExitStack() as ends:
        ends.enter_context(stack.ledger.held("run"))
        if options.fresh:
            stack.stop(*stack.servers)
            stack.wipe()
        ends.enter_context(stack.running())
        system = System(stack, loaded, report)
        ends.callback(system.stop)
        whole = _Whole(stack, system, options, report)
        ends.enter_context(Supervisor(system, report, whole.failures.append))
        reading, seconds = whole.carry(loaded)
        report("stopping")
    print(json.dumps(_summary(reading, seconds)), flush=True)
    missing = reading.figures.off or ("" if reading.complete else f"lag {reading.lag}")
    if missing:
        raise LauncherError(
            f"the figures do not add up: {missing}; see {stack.folder / 'logs'}"
        )


def _judge_as_europe_does() -> None:
    """Set the standard, and with it the threshold, unless a person has chosen."""
    chosen = {name.removesuffix("_FILE") for name in os.environ}
    if not chosen & {
        *HOUSEHOLD_SETTINGS,
        settings.variable("windows", "threshold_volts"),
    }:
        os.environ.update(HOUSEHOLD_SETTINGS)


class _Whole:
    """One run of everything."""

    def __init__(
        self, stack: Stack, system: System, options: Options, report: Report
    ) -> None:
        self.failures: list[Exception] = []  # of what is not started again
        self._stack = stack
        self._system = system
        self._options = options
        self._report = report

    def carry(self, loaded: Settings) -> tuple[Reading, float]:
        """Run it; return this run's figures and for how long meters published."""
        system, options = self._system, self._options
        self._report("creating Kafka topics and Cassandra tables")
        system.command("topics")
        system.command("schema")
        system.start(*roles.usual(loaded, options.workers))
        scraper = Scraper(system.ports, system.pages)
        reckoning = Reckoning(scraper, lanes=loaded.kafka.lanes)
        reckoning.begin(self.require_well)
        system.start(
            roles.role(
                loaded, roles.SIMULATOR, 1, rate=options.rate, source=options.source
            )
        )
        with _stop_asked() as stop, control.serve(self._stack.folder, self._to(stop)):
            seconds = self._watch(reckoning, stop)
            published = self._published()
            self._report(f"{published:,} readings published; waiting until all arrived")
            return reckoning.end(published, self.require_well), seconds

    def require_well(self) -> None:
        """Make sure that everything runs, or will again.

        Raises:
            LauncherError: A server has ended, or something too often.
        """
        if self.failures:
            raise self.failures[0]
        self._system.require_servers()

    def _to(self, stop: threading.Event) -> control.Actions:
        """Return what another terminal can ask for."""

        def scale(stage: str, count: int) -> list[str]:
            if stage not in SCALED:
                raise LauncherError(f"{stage}: what scales is {', '.join(SCALED)}")
            if count < 1:
                raise LauncherError(f"{stage}: a run has at least one")
            return self._system.scale(stage, count)

        def end() -> int:
            stop.set()
            return os.getpid()

        return {
            "ps": lambda: list(status.rows(self._stack, self._system)),
            "environ": self._system.operator,
            "scale": scale,
            "stop": end,
        }

    def _watch(self, reckoning: Reckoning, stop: threading.Event) -> float:
        """Show the figures until it is time to stop; return how long that took."""
        web = self._system.pages.url(self._system.ports["worker-1"]) + "/"
        limit = self._options.seconds
        started = time.monotonic()
        with Screen(web, limit) as screen:
            while not stop.wait(LOOK_SECONDS):
                seconds = time.monotonic() - started
                if limit is not None and seconds >= limit:
                    break
                self.require_well()
                screen.show(reckoning.read(), seconds)
        return time.monotonic() - started

    def _published(self) -> int:
        """Stop the meters; return how many readings NATS has acknowledged."""
        summary = self._system.finish(METERS)
        published = summary.get("published")
        if not isinstance(published, int) or summary.get("unacknowledged"):
            raise LauncherError(f"the simulator could not publish all: {summary}")
        return published


def _summary(reading: Reading, seconds: float) -> dict[str, Any]:
    figures = dataclasses.asdict(reading.figures)
    accuracy = None if reading.accuracy is None else round(reading.accuracy, 4)
    return {
        **{name: figures[name] for name in SUMMARY},
        "accuracy": accuracy,
        "duration_seconds": round(seconds, 1),
    }


@contextmanager
def _stop_asked() -> Iterator[threading.Event]:
    """Note a first request to end; a second one ends everything at once."""
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        del number, frame
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
