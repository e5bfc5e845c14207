"""Generated readings: all meters of an epoch in one evaluation.

    bias    = 0.4 * spread * (noise + S - 0.5)
    voltage = |bias + profile| + 0.08 * |T - 5| - 1

T is the temperature of the same epoch. S is 0 in the original, by an integer division:
all meters are alike but for the noise. With the bias switched on,
S = ((code + weekday + hour) mod 20) / 20, and each meter has a place of its own.
Demand follows the customer's profile; val3 to val12 are filler, K + chance.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.simulator import profiles, weather
from app.simulator.population import Meters

__all__ = ["Generated", "Options", "Source"]

VALUES = 12
FILLER = np.arange(3, 13)
BIAS_STEPS = 20


class Source(Protocol):
    """Where readings come from: generated, or measured in a household."""

    def values(self, epoch: int) -> NDArray[np.float32]:
        """Return (meters, 12): voltage, demand, val3 to val12 of an epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the generated readings look like."""

    seed: int = 1
    slot: int = 1
    profile: profiles.Kind = "consumer"
    bias: bool = False
    randomness: float = 0.2


class Generated:
    """Readings by the original's formulas, a pure function of seed, slot and epoch."""

    def __init__(self, meters: Meters, options: Options) -> None:
        self._options = options
        self._code = meters.code
        self._profile = profiles.choose(options.profile, meters.code)
        # By weekend and hour, one value per profile.
        self._voltage = _table("voltage")
        self._demand = _table("demand")
        self._spread = np.array(
            [
                [profiles.spread(each.voltage[weekend]) for each in profiles.PROFILES]
                for weekend in (0, 1)
            ]
        )

    def values(self, epoch: int) -> NDArray[np.float32]:
        """Return (meters, 12): voltage, demand, val3 to val12 of an epoch."""
        options = self._options
        at = weather.moment(epoch)
        day = int(at.weekend)
        chance = np.random.default_rng([options.seed, options.slot, epoch]).random(
            (len(self._code), VALUES), np.float32
        )
        noise = options.randomness * (chance[:, 0] - 0.5)
        place = self._place(at) if options.bias else 0.0
        bias = 0.4 * self._spread[day][self._profile] * (noise + place - 0.5)
        base = np.abs(bias + self._voltage[day, at.hour][self._profile])
        celsius = weather.temperature(epoch, options.seed)
        values = np.empty((len(self._code), VALUES), np.float32)
        values[:, 0] = base + 0.08 * abs(celsius - 5) - 1
        values[:, 1] = self._demand[day, at.hour][self._profile] + chance[:, 1]
        values[:, 2:] = FILLER + chance[:, 2:]
        return values

    def _place(self, at: weather.Moment) -> NDArray[np.float64]:
        return (self._code + at.weekday + at.hour) % BIAS_STEPS / BIAS_STEPS


def _table(name: str) -> NDArray[np.float64]:
    return np.array(
        [
            np.transpose(
                [
                    profiles.hourly(getattr(each, name)[weekend])
                    for each in profiles.PROFILES
                ]
            )
            for weekend in (0, 1)
        ]
    )
