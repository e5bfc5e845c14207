"""Watches for drift: river's ADWIN over what a model misses, and over the weather.

Three series are watched, each of numbers from 0 to 1, a number a window:

loss         the mean distance of the published probabilities from the labels
volts        how far the lane's level was missed, beyond what happens on any day
temperature  how far the temperature is from that of the same hour a day ago

The first two are what a model suffers from, and make it learn anew. The third is a
cause from outside: after a jump of it, a model may be asked what it never saw.
ADWIN's own state is sealed in compiled code. What it was fed is not: a watch keeps
that, bounded, and a restored one is fed the same again.
"""

import math
from collections.abc import Iterable

from river import drift

__all__ = ["KEPT_MAX", "NAMES", "Watch", "Watches"]

NAMES = ("loss", "volts", "temperature")
DAY_SECONDS = 86_400
QUIET_DAYS = 8  # until each hour of the week was learnt, a miss is no surprise

KEPT_MAX = 1_344  # a fortnight of quarters of an hour
CONFIDENCE = 1e-5  # of a false alarm at one check
CHECK_EVERY = 4
RECENT = 12  # numbers whose mean tells whether it rose or fell
ORDINARY_DEVIATIONS = 3.0  # that a level is missed by when a season turns
DEVIATIONS = 2.5  # beyond them: full surprise
CELSIUS = 12.0


class Watch:
    """Watches a series of numbers from 0 to 1 for a rise of their mean."""

    def __init__(self, kept: Iterable[float] = ()) -> None:
        self._begin(list(kept))

    def _begin(self, kept: list[float]) -> None:
        self.kept: list[float] = []
        self.detector = drift.ADWIN(
            delta=CONFIDENCE, clock=CHECK_EVERY, grace_period=32, min_window_length=8
        )
        for value in kept:
            self.detector.update(value)
            self.kept.append(value)

    def update(self, value: float) -> bool:
        """Take the next number; return whether their mean has risen."""
        if len(self.kept) >= KEPT_MAX:
            self._begin(self.kept[KEPT_MAX // 2 :])
        # Whole millionths, which are short as JSON; `round` takes three times as long.
        value = int(min(max(0.0, value), 1.0) * 1e6 + 0.5) / 1e6
        kept = self.kept
        kept.append(value)
        self.detector.update(value)
        if not self.detector.drift_detected:
            return False
        rose = _mean(kept[-RECENT:]) > _mean(kept)
        self._begin([])
        return rose


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


class Watches:
    """The watches of one lane; since is the start of its first label."""

    def __init__(self, size_seconds: int) -> None:
        self.size = size_seconds
        self.since: int | None = None
        self.series = {name: Watch() for name in NAMES}
        self.celsius: dict[int, float] = {}
        self.risen: list[str] = []  # since the last label

    def foresee(self, target: int, celsius: float | None) -> None:
        """Take the temperature foreseen for a window."""
        if celsius is None:
            return
        then = self.celsius.get(target - DAY_SECONDS)
        self.celsius[target] = celsius
        while (first := next(iter(self.celsius))) < target - DAY_SECONDS:
            del self.celsius[first]
        if then is None:
            return
        if self.series["temperature"].update(abs(celsius - then) / CELSIUS):
            self.risen.append("temperature")

    def judge(self, start: int, loss: float, missed: float) -> tuple[str, ...]:
        """Take what a window's predictions missed; return the series that have risen.

        missed is in standard deviations. What has risen in the first days is not told.
        """
        if self.since is None:
            self.since = start
        risen, self.risen = self.risen, []
        if self.series["loss"].update(loss):
            risen.append("loss")
        if self.series["volts"].update(
            (abs(missed) - ORDINARY_DEVIATIONS) / DEVIATIONS
        ):
            risen.append("volts")
        if start - self.since < QUIET_DAYS * DAY_SECONDS:
            return ()
        return tuple(risen)
