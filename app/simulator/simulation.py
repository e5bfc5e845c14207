"""Puts a simulator together and runs it: the composition root of the process."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from app.clock import wall_clock
from app.errors import FatalError, SettingsError
from app.health import serve_health
from app.settings import Settings
from app.simulator import connection, household, population, profiles, voltage
from app.simulator.bookmark import Bookmark
from app.simulator.clock import EPOCH_SECONDS, SimulatedClock, default_start
from app.simulator.fleet import Fleet
from app.simulator.injector import Injector, Summary
from app.simulator.publisher import Publisher
from app.topology import Topology

__all__ = ["Options", "simulate"]

METERS_UNPACED = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `smartmeter simulate` can be told; its help says what each one means."""

    rate: int = 500
    unpaced: bool = False
    meters: int | None = None
    slot: int = 1
    seconds: float | None = None
    cycles: int | None = None
    seed: int = 1
    source: Literal["generated", "household"] = "generated"
    profile: profiles.Kind = "consumer"
    bias: bool = False
    randomness: float = 0.2
    root: float | None = None
    start: int | None = None
    host: str = "127.0.0.1"
    port: int = 6095
    wait: float = 60.0

    @property
    def paced(self) -> bool:
        """Whether the clock sets the pace, and not the acknowledgements."""
        return self.rate > 0 and not self.unpaced


async def simulate(
    settings: Settings, options: Options, on_progress: Callable[[Summary], None]
) -> Summary:
    """Publish until the options, a signal or an error end it.

    Raises:
        StreamUnavailable: No server, no stream, or nothing acknowledged for too long.
        SettingsError: An option cannot be.
        FatalError: The port is taken.
    """
    topology = Topology(settings)
    meters = _meters(options)
    fleet = Fleet(topology.subject, meters, _source(options, meters), seed=options.seed)
    client = connection.Client()
    publisher = Publisher(client)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_health(settings, options, publisher))
        await stack.enter_async_context(
            connection.connected(
                client,
                settings,
                wait_seconds=options.wait,
                on_lost=publisher.connection_lost,
                on_restored=publisher.connection_restored,
            )
        )
        await connection.wait_for_stream(client, topology, wait_seconds=options.wait)
        bookmark = await Bookmark.open(client, topology, options.slot)
        clock = _clock(options, len(meters), await bookmark.read())
        await stack.enter_async_context(publisher.running())
        injector = Injector(
            fleet,
            publisher,
            clock,
            slot=options.slot,
            cycles_max=options.cycles,
            keep_epoch=bookmark.write,
        )
        _stop_when_told(injector, options.seconds)
        return await injector.run(on_progress)


def _meters(options: Options) -> population.Meters:
    wanted = options.meters or options.rate or METERS_UNPACED
    try:
        return population.meters(population.counts(wanted), options.slot)
    except ValueError as error:
        raise SettingsError(
            f"--slot {options.slot}, {wanted} meters: {error}"
        ) from None


def _source(options: Options, meters: population.Meters) -> voltage.Source:
    if options.source == "household":
        return household.Household(
            household.load_minutes(), len(meters), seed=options.seed, slot=options.slot
        )
    return voltage.Generated(
        meters,
        voltage.Options(
            seed=options.seed,
            slot=options.slot,
            profile=options.profile,
            bias=options.bias,
            randomness=options.randomness,
        ),
    )


@asynccontextmanager
async def _health(
    settings: Settings, options: Options, publisher: Publisher
) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(
                serve_health(
                    options.host,
                    options.port,
                    settings.web,
                    live=str,  # an empty line: a loop that answers is alive
                    ready=lambda: publisher.trouble,
                )
            )
        except OSError as error:
            raise FatalError(
                f"--host {options.host} --port {options.port}: {error.strerror}"
            ) from None
        yield


def _clock(options: Options, meters: int, last: int | None) -> SimulatedClock:
    """Return the clock: told, or going on after the last epoch of any simulator."""
    now = wall_clock()
    root = now if options.root is None else options.root
    start = options.start
    if start is None and options.root is None and last is not None:
        start = last + EPOCH_SECONDS
    if start is None:
        start = default_start(root)
    if options.start is not None and start > now:
        raise SettingsError("--start: simulated time begins in the past")
    period = 1.0
    if not options.paced:
        period = 0.0
    elif options.meters is not None:
        period = meters / options.rate
    return SimulatedClock(root=root, start=start, period_seconds=period)


def _stop_when_told(injector: Injector, seconds: float | None) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, injector.stop)
    if seconds is not None:
        loop.call_later(seconds, injector.stop)
