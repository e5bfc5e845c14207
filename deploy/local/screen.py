"""What a person sees while everything runs: a live table, or a line now and then."""

import dataclasses
import math
import time
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from deploy.local.figures import Reading

__all__ = ["LINE_SECONDS", "Screen", "line"]

LINE_SECONDS = 5.0
REMARK = "Ctrl-C stops the meters, waits for all readings and prints the summary."


class Screen:
    """Shows readings of the figures on standard error; use as a context manager."""

    def __init__(self, web: str, seconds: float | None) -> None:
        self._console = Console(stderr=True)
        self._web = web
        self._seconds = seconds
        self._live: Live | None = None
        self._due = 0.0
        self._last = (0.0, 0)

    def __enter__(self) -> Self:
        """Say where to look, and begin."""
        self._console.print(f"\nWeb page: [bold]{self._web}[/]", highlight=False)
        self._console.print(REMARK + "\n", highlight=False, soft_wrap=True)
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        if self._live is not None:
            self._live.stop()

    def show(self, reading: Reading, seconds: float) -> None:
        """Show the figures after a time; without a terminal every five seconds."""
        reading = _known_to_be_published(reading)
        before, published = self._last
        rate = (reading.figures.published - published) / max(seconds - before, 0.001)
        if self._live is not None:
            self._last = (seconds, reading.figures.published)
            self._live.update(self._table(reading, seconds, rate), refresh=True)
        elif time.monotonic() >= self._due:
            self._last = (seconds, reading.figures.published)
            self._due = time.monotonic() + LINE_SECONDS
            self._console.print(
                line(reading, seconds, rate), soft_wrap=True, highlight=False
            )

    def _table(self, reading: Reading, seconds: float, rate: float) -> Table:
        figures = reading.figures
        bridge, live, archive = (
            _lag(reading, stage) for stage in ("bridge", "live", "archive")
        )
        elapsed = str(timedelta(seconds=int(seconds)))
        if self._seconds is not None:
            elapsed += f" of {timedelta(seconds=int(self._seconds))}"
        table = Table.grid(padding=(0, 3))
        table.add_column(style="dim")
        table.add_column(justify="right", min_width=12)
        table.add_column(style="dim")
        for label, value, remark in (
            ("time", elapsed, ""),
            ("published", f"{figures.published:,}", f"{rate:,.0f} readings/s"),
            ("bridged", f"{figures.bridged:,}", f"lag {bridge} messages"),
            ("counted", f"{figures.counted:,}", f"lag {live} frames"),
            ("late", f"{figures.late:,}", ""),
            ("dead letters", f"{figures.dead_letters:,}", ""),
            ("windows closed", f"{figures.windows_closed:,}", ""),
            (
                "raw_data rows",
                f"{figures.raw_data:,}",
                f"lag {archive} frames",
            ),
            ("predictions", f"{figures.predictions_made:,}", _accuracy(reading)),
        ):
            table.add_row(label, value, remark)
        return table


def line(reading: Reading, seconds: float, rate: float) -> str:
    """Return the figures in one line."""
    figures = reading.figures
    lags = "/".join(_lag(reading, stage) for stage in ("bridge", "live", "archive"))
    return (
        f"{seconds:4.0f} s  published {figures.published:,} ({rate:,.0f}/s)"
        f"  bridged {figures.bridged:,}  counted {figures.counted:,}"
        f"  late {figures.late:,}  dead letters {figures.dead_letters:,}"
        f"  windows closed {figures.windows_closed:,}  raw_data {figures.raw_data:,}"
        f"  predictions {figures.predictions_scored:,}/{figures.predictions_made:,}"
        f"  lag {lags}"
    )


def _known_to_be_published(reading: Reading) -> Reading:
    """Return a reading in which what was bridged counts as published, too.

    Processes answer one after the other, and the simulator counts once a second: on
    the way its figure is a little older than the bridge's.
    """
    figures = reading.figures
    published = max(figures.published, figures.bridged + figures.dead_letters)
    figures = dataclasses.replace(figures, published=published)
    return dataclasses.replace(reading, figures=figures)


def _lag(reading: Reading, stage: str) -> str:
    lag = reading.lag[stage]
    return "?" if math.isnan(lag) else f"{lag:,.0f}"


def _accuracy(reading: Reading) -> str:
    scored = f"{reading.figures.predictions_scored:,} scored"
    if reading.accuracy is None:
        return scored
    return f"{scored}, {reading.accuracy:.1%} right"
