"""`smartmeter monitor`."""

import asyncio
import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import click
import orjson

from app import connections, settings
from app.errors import SmartMeterError
from app.topology import Topology
from app.wire.readable import readable

__all__ = ["Expectation", "command"]

PENDING_MESSAGES_MAX = 100_000
EXPECT_SECONDS_MAX = 60.0
LOST = "the connection to NATS is lost"


class Unmet(SmartMeterError):
    """Something that was expected did not come."""


@dataclass(slots=True)
class Expectation:
    """A pattern that so many lines must have, and how many had it."""

    pattern: re.Pattern[str]
    wanted: int
    seen: int = 0

    @property
    def is_met(self) -> bool:
        """Whether enough were seen."""
        return self.seen >= self.wanted

    def look_at(self, line: str) -> None:
        """Count a line that has the pattern."""
        self.seen += self.pattern.search(line) is not None

    def __str__(self) -> str:
        return f"{self.pattern.pattern}: {self.seen} of {self.wanted}"


class Expected(click.ParamType):
    """`REGEX/N`, or `REGEX` for one."""

    name = "regex/n"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Expectation:
        """Return the expectation that a text states.

        >>> str(Expected().convert("extract.max/3", None, None))
        'extract.max: 0 of 3'
        >>> str(Expected().convert("a/b", None, None))
        'a/b: 0 of 1'
        """
        if isinstance(value, Expectation):
            return value
        text, slash, number = str(value).rpartition("/")
        if not (slash and number.isdecimal() and int(number)):
            text, number = str(value), "1"
        try:
            return Expectation(re.compile(text), int(number))
        except re.error as error:
            self.fail(f"{text!r} is no regular expression: {error}", param, ctx)


@click.command()
@click.argument("subjects", nargs=-1, metavar="[SUBJECT]...")
@click.option("--count", type=click.IntRange(1), help="Stop after so many messages.")
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(0, min_open=True),
    help="Stop after so many seconds.  [default with --expect: 60]",
)
@click.option(
    "--expect",
    "expected",
    type=Expected(),
    multiple=True,
    help="Want N messages whose line (subject and content) has this pattern; may be"
    " given several times. Stops when all have come; exit code 1 if they do not.",
)
@click.option("--quiet", is_flag=True, help="Print nothing but the outcome.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object a message."
)
def command(
    *,
    subjects: Collection[str],
    count: int | None,
    seconds: float | None,
    expected: Collection[Expectation],
    quiet: bool,
    as_json: bool,
) -> None:
    r"""Show what passes on NATS subjects, decoded: JSON, readings, weather.

    SUBJECT may have wildcards, * for one token and > for the rest; without any, all
    that meters publish and all results. Only what is published from now on is shown,
    and whoever reads too slowly misses some, which is said.

    \b
    Example:
      smartmeter monitor --count 5
      smartmeter monitor 'smartmeter.voltage.extract.>' --json | jq .content.voltage
      smartmeter monitor --quiet --for 30 --expect 'raw.data/100' --expect 'extract.max'
    """
    topology = Topology(settings.load())
    wanted = subjects or (f"{topology.subject}.>", *topology.results_subjects)
    if seconds is None and expected:
        seconds = EXPECT_SECONDS_MAX
    watch = _Watch(expected, count, quiet=quiet, as_json=as_json)
    try:
        asyncio.run(watch.run(topology, wanted, seconds))
    except KeyboardInterrupt:
        raise click.exceptions.Abort from None
    unmet = [each for each in expected if not each.is_met]
    if unmet:
        raise Unmet(f"monitor: {'; '.join(map(str, unmet))} came")
    for each in expected:
        click.echo(f"{each} came", err=True)


class _Watch:
    """Prints messages until enough have come, or time is up."""

    def __init__(
        self,
        expected: Collection[Expectation],
        count: int | None,
        *,
        quiet: bool,
        as_json: bool,
    ) -> None:
        self._expected = expected
        self._left = count
        self._quiet = quiet
        self._as_json = as_json
        self._missed = 0
        self._trouble = ""
        self._unread: BrokenPipeError | None = None
        self._ended = asyncio.Event()

    async def run(
        self, topology: Topology, subjects: Collection[str], seconds: float | None
    ) -> None:
        client = connections.NatsClient()

        async def on_error(error: Exception) -> None:
            if type(error).__name__ == "SlowConsumerError":
                self._missed += 1
            else:  # a permission that is missing comes this way alone
                self._trouble = str(error).removeprefix("nats: ").strip("'")
                self._ended.set()

        async def on_end() -> None:
            if not self._ended.is_set():
                self._trouble = self._trouble or LOST
                self._ended.set()

        await connections.connect_nats(
            client,
            topology.settings,
            name=f"{topology.settings.namespace}-monitor",
            closed_cb=on_end,
        )
        client._error_cb = on_error  # noqa: SLF001 - connect_nats had its own until now
        try:
            for subject in subjects:
                await client.subscribe(
                    subject, cb=self._take, pending_msgs_limit=PENDING_MESSAGES_MAX
                )
            try:
                async with asyncio.timeout(seconds):
                    await self._ended.wait()
            except TimeoutError:
                pass
        finally:
            self._ended.set()
            await client.close()
        if self._unread:
            raise self._unread
        if self._missed:
            click.echo(f"some messages were missed, {self._missed} times", err=True)
        if self._trouble:
            raise Unmet(f"monitor: {self._trouble}")

    async def _take(self, message: Any) -> None:
        if self._ended.is_set():
            return
        content = readable(message.data)
        text = orjson.dumps(content).decode()
        line = f"{message.subject}  {text}"
        for each in self._expected:
            each.look_at(line)
        if self._as_json:
            fields = {
                "at_epoch_seconds": round(time.time(), 3),
                "subject": message.subject,
                "content": content,
            }
            line = orjson.dumps(fields).decode()
        try:
            if not self._quiet:
                click.echo(line)
        except BrokenPipeError as error:
            self._unread = error
            self._ended.set()
        if self._left is not None:
            self._left -= 1
        met = self._expected and all(each.is_met for each in self._expected)
        if met or self._left == 0:
            self._ended.set()
