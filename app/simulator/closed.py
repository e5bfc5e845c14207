"""Closed windows without the road: what the live stage would fold, in one pass.

For looking at a year of a fleet in seconds: meters, their transformers' windows and the
weather, by the simulator's own signals. A change of the world may be put in, to see
what a forecast makes of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.domain.weather import WeatherEvent
from app.simulator import weather
from app.simulator.clock import EPOCH_SECONDS
from app.simulator.population import Meters
from app.simulator.voltage import Generated, Options

__all__ = ["Change", "Closed", "generated", "household"]

FORECAST_SECONDS = weather.FORECAST_HOURS * 3_600
DAY_SECONDS = 86_400

Change = Literal["none", "shift", "season", "solar"]
SHIFT_VOLTS = 0.8
SEASON_SECONDS = 182 * DAY_SECONDS  # whole weeks: weekends stay weekends
SOLAR_VOLTS_PER_DAY, SOLAR_VOLTS_MAX = 0.5, 4.0
SOLAR_NOON_HOUR, SOLAR_HALF_HOURS = 12.5, 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """The windows of one start as columns, and what was said of the weather in it."""

    start: int
    columns: dict[str, Any]
    weather: tuple[WeatherEvent, ...] = ()


def generated(
    meters: Meters,
    options: Options,
    *,
    start: int,
    size: int,
    change: Change = "none",
    change_at: int = 0,
) -> Iterator[Closed]:
    """Yield the windows of a generated fleet from a start on, without end.

    Args:
        meters: The fleet, sorted by line and transformer.
        options: Its signals.
        start: Epoch seconds, a multiple of the size.
        size: Length of a window, a multiple of 900 seconds.
        change: What happens to the world: `shift` lifts every voltage, `season` jumps
            by half a year, `solar` lifts noons a little more every day.
        change_at: The epoch at which it begins.
    """
    source = Generated(meters, options)
    key = (meters.line.astype(np.int64) << 32) | meters.transformer
    first = np.flatnonzero(np.diff(key, prepend=-1))
    count = np.diff(np.append(first, len(key)))
    key = key[first]
    while True:
        epochs = range(start, start + size, EPOCH_SECONDS)
        voltage = [
            source.values(_signal(epoch, change, change_at))[:, 0]
            + np.float32(_lift(epoch, change, change_at))
            for epoch in epochs
        ]
        totals = [np.add.reduceat(each.astype(np.float64), first) for each in voltage]
        yield Closed(
            start=start,
            columns=_columns(
                start,
                key,
                np.minimum.reduceat(np.minimum.reduce(voltage), first),
                np.maximum.reduceat(np.maximum.reduce(voltage), first),
                np.add.reduce(totals) / (count * len(voltage)),
            ),
            weather=tuple(_said(epochs, options.seed, change, change_at)),
        )
        start += size


def household(
    minutes: NDArray[np.float32], *, start: int, size: int
) -> Iterator[Closed]:
    """Yield the windows of one household's voltages; it ends with the minutes.

    Args:
        minutes: Voltages, a row per minute from the start on.
        start: Epoch seconds, a multiple of the size.
        size: Length of a window, whole minutes in seconds.
    """
    of_window = size // 60
    rows = minutes[: len(minutes) // of_window * of_window].reshape(-1, of_window)
    key = np.array([(1 << 32) | 1])
    for number, volts in enumerate(rows):
        begin = start + number * size
        mean = volts.astype(np.float64).mean()
        columns = _columns(
            begin, key, volts.min(keepdims=True), volts.max(keepdims=True), [mean]
        )
        yield Closed(start=begin, columns=columns)


def _columns(
    start: int,
    key: NDArray[np.int64],
    minimum: NDArray[np.float32],
    maximum: NDArray[np.float32],
    mean: Any,
) -> dict[str, Any]:
    return {
        "start": np.full(len(key), start),
        "line": key >> 32,
        "transformer": key & 0xFFFFFFFF,
        "minimum": minimum,
        "maximum": maximum,
        "mean": mean,
    }


def _said(
    epochs: range, seed: int, change: Change, change_at: int
) -> Iterator[WeatherEvent]:
    for epoch in epochs:
        for place, hours in enumerate((0, weather.FORECAST_HOURS)):
            of = epoch + hours * 3_600
            yield WeatherEvent(
                epoch=of,
                celsius=weather.temperature(_signal(of, change, change_at), seed),
                hours=hours,
                sequence=2 * (epoch // EPOCH_SECONDS) + place,
            )


def _signal(epoch: int, change: Change, change_at: int) -> int:
    jumped = change == "season" and epoch >= change_at
    return epoch + SEASON_SECONDS if jumped else epoch


def _lift(epoch: int, change: Change, change_at: int) -> float:
    if epoch < change_at or change not in {"shift", "solar"}:
        return 0.0
    if change == "shift":
        return SHIFT_VOLTS
    from_noon = epoch % DAY_SECONDS / 3_600 - SOLAR_NOON_HOUR
    shine = max(0.0, 1.0 - (from_noon / SOLAR_HALF_HOURS) ** 2)
    days = (epoch - change_at) / DAY_SECONDS
    return min(SOLAR_VOLTS_PER_DAY * days, SOLAR_VOLTS_MAX) * shine
