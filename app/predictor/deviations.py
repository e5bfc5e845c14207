"""How each transformer deviates from its lane: a few numbers each, all as columns.

A transformer's habit is its mean deviation. How far the deviation of the moment, and
that of the same hour a day ago, tell the one to come is learnt for all of a lane
together: two coefficients, by least squares over sums that fade.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["Deviations"]

Column = NDArray[np.float64]

HABIT_RATE_MIN = 0.01
NOISE_RATE_MIN = 0.01
NOISE_MIN = 1e-4  # one hundredth of a volt
NOISE_LABELS = 4.0  # what the first belief is worth
NOISE_STEP_MAX = 16.0
FADE = 0.999
RIDGE = 1.0  # volts squared of doubt: coefficients stay 0 where nothing deviates
COLUMNS = ("habit", "noise", "seen", "taught", "now")


class Deviations:
    """Habit and noise of each transformer, by slot, and what deviations foretell.

    habit and now (volts) are the mean deviation and the last one from it, noise the
    variance of the whole prediction's error, seen the number of windows and taught
    that of labels.
    """

    def __init__(self) -> None:
        self.habit: Column = np.zeros(0)
        self.noise: Column = np.zeros(0)
        self.seen: Column = np.zeros(0)
        self.now: Column = np.zeros(0)
        self.taught: Column = np.zeros(0)
        self.products = np.zeros((3, 3))
        self._coefficients = 0.0, 0.0

    def __len__(self) -> int:
        return len(self.habit)

    def grow(self, count: int, noise: float) -> None:
        """Make room for new transformers, whose noise is taken to be the lane's."""
        if count > len(self):
            more = np.zeros(count - len(self))
            for name in COLUMNS:
                fill = more + noise if name == "noise" else more
                setattr(self, name, np.concatenate([getattr(self, name), fill]))

    def observe(
        self, slots: NDArray[np.int64], maximum: Column
    ) -> tuple[float, Column]:
        """Learn habits from a window; return the lane's level and who deviates how.

        The level is the mean of the maxima less each one's habit; transformers seen
        before speak for it, and where none was, all do. A deviation is from the habit.
        """
        if len(slots) == 1:
            return self._observe_one(slots.item(), maximum.item())
        seen = self.seen[slots]
        habit = self.habit[slots]
        known = seen > 0
        usual = maximum - habit
        usual = usual[known] if known.any() else usual
        level = float(np.add.reduce(usual)) / len(usual)
        deviation = maximum - level
        # A newcomer's first deviation is its habit; old habits change slowly.
        habit += np.maximum(1.0 / (seen + 1.0), HABIT_RATE_MIN) * (deviation - habit)
        now = deviation - habit
        now = now.astype(np.float32).astype(np.float64)  # as it will be remembered
        self.seen[slots] = seen + 1.0
        self.habit[slots] = habit
        self.now[slots] = now
        return level, now

    def _observe_one(self, slot: int, maximum: float) -> tuple[float, Column]:
        """Do the same for a window of one transformer: it is the level itself."""
        self.seen[slot] += 1.0
        self.now[slot] = 0.0
        return maximum - self.habit.item(slot), np.zeros(1)

    def foretell(self, now: Column, then: Column) -> Column:
        """Return the deviation from habit that those of now and of then foretell."""
        first, second = self._coefficients
        return first * now + second * then

    def foretell_one(self, now: float, then: float) -> float:
        """Return the same for one transformer."""
        first, second = self._coefficients
        return first * now + second * then

    def learn(
        self,
        slots: NDArray[np.int64],
        signs: NDArray[np.float32],
        error: Column,
        doubt: float,
    ) -> None:
        """Learn from labels: what the signs (2, n) were, and each one's error.

        doubt is the variance that was expected for not knowing the lane's weights.
        """
        rows = np.concatenate([signs, self.now[slots][None, :]])
        products = np.einsum("in,jn->ij", rows, rows)
        self.take_products(self.products * FADE + products / len(slots))
        taught = self.taught[slots]
        noise = self.noise[slots]
        # What of the error is expected to be noise, and not ignorance of the weights.
        share = noise / (noise + doubt)
        surprise = np.minimum(share * share * error * error, NOISE_STEP_MAX * noise)
        surprise += share * doubt - noise
        rate = np.maximum(1.0 / (taught + NOISE_LABELS), NOISE_RATE_MIN)
        self.noise[slots] = np.maximum(noise + rate * surprise, NOISE_MIN)
        self.taught[slots] = taught + 1.0

    def learn_one(self, slot: int, error: float, doubt: float) -> None:
        """Do the same for a window of one label: it teaches nothing of deviations."""
        taught, noise = self.taught.item(slot), self.noise.item(slot)
        share = noise / (noise + doubt)
        surprise = min(share * share * error * error, NOISE_STEP_MAX * noise)
        rate = max(1.0 / (taught + NOISE_LABELS), NOISE_RATE_MIN)
        noise += rate * (surprise + share * doubt - noise)
        self.noise[slot] = max(noise, NOISE_MIN)
        self.taught[slot] = taught + 1.0

    def take_products(self, products: Column) -> None:
        """Take sums of products (3, 3), and find what deviations foretell by them."""
        self.products = products
        (a, b, p), (_, c, q), _ = products.tolist()
        a, c = a + RIDGE, c + RIDGE
        determinant = a * c - b * b
        first, second = c * p - b * q, a * q - b * p
        self._coefficients = first / determinant, second / determinant
