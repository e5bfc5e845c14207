"""The reckoning of a run: what was there before, what came since, and when it is still.

Counters of durable state go on from run to run, so that a run's own figures are
differences to a first look, taken when all that an earlier run left has arrived.
"""

import dataclasses
import time
from collections.abc import Callable

from deploy.local.errors import LauncherError
from deploy.local.figures import Figures, Reading, Scraper

__all__ = ["Reckoning"]

LOOK_SECONDS = 0.25
STILL_SECONDS = 2.0  # nothing moves for so long, and all is accounted for: the end
STUCK_SECONDS = 45.0  # nothing moves for so long, and something is missing: give up
SETTLE_SECONDS_MAX = 180.0


class Reckoning:
    """Figures since `begin`."""

    def __init__(self, scraper: Scraper, *, lanes: int) -> None:
        self.scraper = scraper
        self._lanes = lanes
        self._before = Figures()

    def begin(self, require_alive: Callable[[], None]) -> None:
        """Wait until nothing of an earlier run is on its way, and count from there.

        Raises:
            LauncherError: It does not arrive.
        """
        reading, settled = self._settle(lambda _: True, require_alive)
        if not settled:
            raise LauncherError(
                f"what an earlier run left does not arrive (lag {reading.lag}):"
                " `run --fresh` begins again with empty data"
            )
        self._before = reading.figures

    def read(self) -> Reading:
        """Return the figures since the beginning."""
        return self._since(self.scraper.read())

    def end(self, published: int, require_alive: Callable[[], None]) -> Reading:
        """Wait until all that was published has arrived; return the last figures.

        Raises:
            LauncherError: Something is still on its way when waiting ends.
        """

        def final(reading: Reading) -> Reading:
            figures = dataclasses.replace(
                self._since(reading).figures, published=published
            )
            return dataclasses.replace(reading, figures=figures)

        reading, settled = self._settle(
            lambda reading: not final(reading).figures.off, require_alive
        )
        return dataclasses.replace(final(reading), complete=settled)

    def _since(self, reading: Reading) -> Reading:
        return reading.since(self._before, self._lanes)

    def _settle(
        self, enough: Callable[[Reading], bool], require_alive: Callable[[], None]
    ) -> tuple[Reading, bool]:
        """Look until nothing moves; say whether nothing was missing then."""
        begun = moved = time.monotonic()
        reading = self.scraper.read()
        while True:
            require_alive()
            time.sleep(LOOK_SECONDS)
            last, reading = reading, self.scraper.read()
            now = time.monotonic()
            moved = now if reading.figures != last.figures else moved
            good = reading.caught_up(self._lanes) and enough(reading)
            if good and now - moved > STILL_SECONDS:
                return reading, True
            if now - moved > STUCK_SECONDS or now - begun > SETTLE_SECONDS_MAX:
                return reading, False
