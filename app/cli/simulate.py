"""`smartmeter simulate`."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
import orjson

from app import settings as _settings
from app.errors import RejectedMessage

if TYPE_CHECKING:
    from app.simulator.injector import Summary

__all__ = ["command"]

LOG_SECONDS = 10.0


class Start(click.ParamType):
    """A simulated time: epoch seconds, or RFC 3339 with a zone."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return epoch seconds, a multiple of 900."""
        from app.simulator.clock import EPOCH_SECONDS
        from app.wire.limits import parse_time

        text = str(value)
        try:
            epoch = parse_time(int(text) if text.isdecimal() else text)
        except RejectedMessage as rejection:
            self.fail(rejection.detail, param, ctx)
        if epoch % EPOCH_SECONDS:
            self.fail(f"{epoch} is not a multiple of {EPOCH_SECONDS} s", param, ctx)
        return epoch


@click.command(short_help="Publish the readings of simulated meters.")
@click.option(
    "--rate",
    type=click.IntRange(0, 1_000_000),
    default=500,
    show_default=True,
    help="Readings per second, and so the number of meters; 0 is --unpaced.",
)
@click.option("--unpaced", is_flag=True, help="As fast as JetStream acknowledges.")
@click.option(
    "--meters",
    type=click.IntRange(1, 5_000_000),
    help="About so many meters, instead of one for each reading per second.",
)
@click.option(
    "--slot",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Its lines are 10 * slot + 1 and following: one slot per simulator.",
)
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(0, min_open=True),
    help="Stop after so many seconds.",
)
@click.option(
    "--cycles", type=click.IntRange(1), help="Stop after so many passes of all meters."
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="The same seed, slot and epoch give the same readings.",
)
@click.option(
    "--source",
    type=click.Choice(["generated", "household"]),
    default="generated",
    show_default=True,
    help="Formulas, or measured minutes (extra `household`; about 240 V).",
)
@click.option(
    "--profile",
    type=click.Choice(["consumer", "business", "industry", "mixed"]),
    default="consumer",
    show_default=True,
    help="Kind of customers, when generated.",
)
@click.option(
    "--bias/--no-bias",
    default=False,
    show_default=True,
    help="A level of its own for each meter; without, the original's distribution.",
)
@click.option(
    "--randomness",
    type=click.FloatRange(0, 10),
    default=0.2,
    show_default=True,
    help="Scale of the noise.",
)
@click.option(
    "--root",
    type=float,
    help="Wall time of --start in epoch seconds, to share among simulators.  "
    "[default: now]",
)
@click.option(
    "--start",
    type=Start(),
    help="Simulated time to begin at, as epoch seconds or RFC 3339. Default: on from "
    "where the last simulator was; the first begins five years ago, on a Monday.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Of --port.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=6095,
    show_default=True,
    help="Port of /live, /ready and /metrics; 0 picks a free one.",
)
@click.option(
    "--wait",
    type=click.FloatRange(0, 3_600),
    default=60.0,
    show_default=True,
    help="Longest wait for NATS and the stream, seconds.",
)
def command(**options: Any) -> int:
    r"""Publish the readings of simulated meters to JetStream, and verify each one.

    Time runs 900 times as fast, from the past on and never past the present: every
    second, all meters report once with one epoch, after the temperature and a forecast
    12 hours ahead. Ctrl-C or SIGTERM stops; the last line is a JSON summary. Exit code
    1 if an acknowledgement never came.

    \b
    Example:
      smartmeter simulate --rate 600 --slot 2 --profile mixed --for 120
      smartmeter simulate --unpaced --meters 5000 --cycles 100
    """
    import uvloop

    from app import logs
    from app.simulator.simulation import Options, simulate

    values = _settings.load()
    logs.configure(values.log_level)
    with _progress() as on_progress:
        summary = uvloop.run(simulate(values, Options(**options), on_progress))
    click.echo(orjson.dumps(summary.as_json()))
    return 1 if summary.unacknowledged else 0


@contextmanager
def _progress() -> "Iterator[Callable[[Summary], None]]":
    """Show one line on a terminal, and a log line now and then elsewhere."""
    if sys.stdout.isatty():
        from rich.console import Console

        with Console().status("Connecting…") as status:
            yield lambda summary: status.update(_words(summary))
        return
    import logging

    log = logging.getLogger("app.simulator")
    due = time.monotonic() + LOG_SECONDS

    def show(summary: "Summary") -> None:
        nonlocal due
        if time.monotonic() >= due:
            due += LOG_SECONDS
            log.info(_words(summary))

    yield show


def _words(summary: "Summary") -> str:
    from datetime import UTC, datetime

    at = datetime.fromtimestamp(summary.last_epoch or 0, UTC)
    return (
        f"Slot {summary.slot}: {summary.published:,} readings of {summary.meters:,} "
        f"meters, simulated {at:%Y-%m-%d %H:%M}."
    )
