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
from deploy.local import ports
from deploy.local.errors import LauncherError
from deploy.local.figures import Reading, Scraper
from deploy.local.reckoning import Reckoning
from deploy.local.screen import Screen
from deploy.local.servers.base import Report
from deploy.local.stack import Stack
from deploy.local.system import Role, System

__all__ = ["Options", "run"]

SIMULATOR = "simulator"
SIMULATOR_PORT = 6095
LOOK_SECONDS = 1.0
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
    run alone, also where earlier runs have left data.

    Raises:
        LauncherError: Something did not start, ended by itself, or does not add up.
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
        reading, seconds = _carry(system, loaded, options, report)
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


def _carry(
    system: System, loaded: Settings, options: Options, report: Report
) -> tuple[Reading, float]:
    """Run the system; return this run's figures and for how long meters published."""
    report("creating Kafka topics and Cassandra tables")
    system.command("topics")
    system.command("schema")
    system.start(*system.roles(options.workers))
    token = system.read_token
    reckoning = Reckoning(Scraper(system.ports, token), lanes=loaded.kafka.lanes)
    reckoning.begin(system.require_alive)
    words = ("simulate", "--rate", str(options.rate), "--source", options.source)
    system.start(Role(name=SIMULATOR, words=words, usual_port=SIMULATOR_PORT))
    reckoning.scraper.ports[SIMULATOR] = system.ports[SIMULATOR]
    with _stop_asked() as stop:
        seconds = _watch(system, reckoning, options, stop)
        published = _published(system)
        del reckoning.scraper.ports[SIMULATOR]
        report(f"{published:,} readings published; waiting until all have arrived")
        return reckoning.end(published, system.require_alive), seconds


def _watch(
    system: System, reckoning: Reckoning, options: Options, stop: threading.Event
) -> float:
    """Show the figures until it is time to stop; return how long that took."""
    web = f"http://{ports.HOST}:{system.ports['worker-1']}/"
    started = time.monotonic()
    with Screen(web, options.seconds) as screen:
        while not stop.wait(LOOK_SECONDS):
            seconds = time.monotonic() - started
            if options.seconds is not None and seconds >= options.seconds:
                break
            system.require_alive()
            screen.show(reckoning.read(), seconds)
    return time.monotonic() - started


def _published(system: System) -> int:
    """Stop the meters; return how many readings NATS has acknowledged."""
    summary = system.finish(SIMULATOR)
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
