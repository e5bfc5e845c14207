"""Temperatures and forecasts per epoch, and how far the weather has come.

Several injectors publish for the same epoch: their mean counts. All is in event time,
so that whoever reads the same messages in the same order knows the same weather.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Silence", "Weather", "WeatherEvent"]

GAP_SECONDS_MAX = 3 * 3_600  # a longer gap between two forecasts is not bridged
EPOCHS_MAX = 10_000  # kept per lead at most, against forecasts for absurd epochs
LEADS_MAX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class WeatherEvent:
    """A temperature (hours 0) or a forecast, for a moment in epoch seconds.

    sequence is its place in the stream of raw messages.
    """

    epoch: int
    celsius: float
    hours: int
    sequence: int

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "WeatherEvent":
        """Return the event that a record of the weather topic holds.

        Raises:
            KeyError, TypeError, ValueError: The fields are not those of weather.
        """
        return cls(
            epoch=int(fields["epoch"]),
            celsius=float(fields["celsius"]),
            hours=0 if fields["kind"] == "temperature" else int(fields["hours"]),
            sequence=int(fields["sequence"]),
        )

    @property
    def published(self) -> int:
        """The moment at which it was said, epoch seconds."""
        return self.epoch - self.hours * 3_600


class Weather:
    """The weather that is known: by lead (hours) and window start, a sum and a count.

    clock is the latest moment at which anything was said, None before anything was;
    sequence is the last one taken, so that a repeated event changes nothing.
    """

    def __init__(self, size_seconds: int) -> None:
        self.size = size_seconds
        self.clock: int | None = None
        self.sequence = -1
        self._said: dict[int, dict[int, tuple[float, int]]] = {}

    def take(self, event: WeatherEvent) -> bool:
        """Add an event; return whether it was new and of use."""
        if event.sequence <= self.sequence:
            return False
        self.sequence = event.sequence
        if not math.isfinite(event.celsius) or event.hours < 0:
            return False
        if self.clock is None or event.published > self.clock:
            self.clock = event.published
        if event.hours not in self._said and len(self._said) >= LEADS_MAX:
            return False
        said = self._of(event.hours)
        start = event.epoch - event.epoch % self.size
        total, count = said.get(start, (0.0, 0))
        said[start] = total + event.celsius, count + 1
        if len(said) > EPOCHS_MAX:
            del said[min(said)]
        return True

    def forecast(self, start: int, lead_seconds: int) -> float | None:
        """Return the temperature foreseen for a window, or None.

        Of what was said at least lead_seconds ahead the latest counts: the mean for
        the window itself, or else what lies between its neighbours in time.

        >>> weather = Weather(900)
        >>> for number, celsius in enumerate((4.0, 6.0)):
        ...     event = WeatherEvent(
        ...         epoch=1000, celsius=celsius, hours=12, sequence=number
        ...     )
        ...     assert weather.take(event)
        >>> weather.forecast(900, 43_200)
        5.0
        """
        for hours, said in self._said.items():
            if hours and hours * 3_600 >= lead_seconds:
                celsius = self._at(said, start)
                if celsius is not None:
                    return celsius
        return None

    def temperature(self, start: int) -> float | None:
        """Return the mean of the temperatures that were measured in a window."""
        total, count = self._said.get(0, {}).get(start, (0.0, 0))
        return total / count if count else None

    def _of(self, hours: int) -> dict[int, tuple[float, int]]:
        """Return what was said so far ahead; leads are kept in their order."""
        if hours not in self._said:
            self._said = dict(sorted([*self._said.items(), (hours, {})]))
        return self._said[hours]

    def _at(self, said: Mapping[int, tuple[float, int]], start: int) -> float | None:
        if start in said:
            total, count = said[start]
            return total / count
        before, after = (
            next((s for s in self._around(start, step) if s in said), None)
            for step in (-self.size, self.size)
        )
        if before is None or after is None or after - before > GAP_SECONDS_MAX:
            return None
        low, high = (said[s][0] / said[s][1] for s in (before, after))
        return low + (high - low) * (start - before) / (after - before)

    def _around(self, start: int, step: int) -> range:
        reach = GAP_SECONDS_MAX if step > 0 else -GAP_SECONDS_MAX
        return range(start + step, start + reach + step, step)

    def forget(self, before: int) -> None:
        """Forget what was said of windows that start before an epoch."""
        for said in self._said.values():
            # What was said first is mostly for what is first; a straggler goes later.
            while said and (first := next(iter(said))) < before:
                del said[first]

    def state(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "clock": self.clock,
            "sequence": self.sequence,
            "said": [
                [hours, start, *sums]
                for hours, said in self._said.items()
                for start, sums in said.items()
            ],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Become the weather that a state describes.

        Raises:
            KeyError, TypeError, ValueError: The state is not that of a weather.
        """
        self.clock = None if state["clock"] is None else int(state["clock"])
        self.sequence = int(state["sequence"])
        self._said = {}
        for hours, start, total, count in state["said"]:
            if not math.isfinite(total) or int(count) < 1:
                raise ValueError("a sum of temperatures is not finite")
            self._of(int(hours))[int(start)] = total, int(count)


class Silence:
    """For how long each lane's weather has had nothing more to say."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[int, float] = {}

    def look(self, lane: int, *, nothing_more: bool, now: float) -> bool:
        """Return whether there was nothing more for so long that it is silence.

        >>> silence = Silence(10.0)
        >>> silence.look(0, nothing_more=True, now=100.0)
        False
        >>> silence.look(0, nothing_more=True, now=110.0)
        True
        """
        if not nothing_more:
            self._since.pop(lane, None)
            return False
        return now - self._since.setdefault(lane, now) >= self._seconds
