"""A watch over a loss: river's ADWIN, with a state that can be written down.

ADWIN's own state is sealed in compiled code. What it was fed is not: a watch keeps
that, bounded, and a restored one is fed the same again.
"""

from collections.abc import Iterable

from river import drift

__all__ = ["KEPT_MAX", "Watch"]

KEPT_MAX = 1_344  # a fortnight of quarters of an hour
CONFIDENCE = 1e-5  # of a false alarm at one check
CHECK_EVERY = 4


class Watch:
    """Watches a series of numbers from 0 to 1 for a change of their mean."""

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
        """Take the next number; return whether a change for the worse was found."""
        if len(self.kept) >= KEPT_MAX:
            self._begin(self.kept[KEPT_MAX // 2 :])
        before = self.detector.estimation
        value = round(min(max(value, 0.0), 1.0), 6)
        self.kept.append(value)
        self.detector.update(value)
        if not self.detector.drift_detected:
            return False
        worse = self.detector.estimation > before
        self._begin([])
        return bool(worse)
