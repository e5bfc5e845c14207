"""How high a lane will be: linear regression that is never sure for ever.

Bayesian, by Kalman's rule: the weights have a covariance, each label narrows it, and
each step lets it grow a little (never beyond what was believed at first), so that what
is no longer seen may have changed. The noise is learnt beside it.
"""

import math

import numpy as np
from numpy.typing import NDArray

from app.predictor import features
from app.predictor.features import Features

__all__ = ["LevelRegression"]

WANDER = 3e-7  # variance that each weight gains per label, volts squared
WANDERS_EVERY = 8  # labels
NOISE_FIRST = 0.1
NOISE_MIN = 1e-4  # one hundredth of a volt
NOISE_RATE_MIN = 0.01
NOISE_LABELS = 4.0  # what the first belief is worth
NOISE_STEP_MAX = 9.0  # so that one outlier does not blind it
ERROR_VOLTS_MAX = 6.0
FAR_DEVIATIONS = 6.0
FAR_IN_A_ROW = 2  # one absurd window, or two, are not a new world
CALM_GROWTH = 1.0005  # it doubles in a fortnight
UNSETTLED = 4.0
LOOSENED = 0.1  # the share of the first belief that a drift brings back


class LevelRegression:
    """A regression in volts on the shared features, one label at a time.

    weights (n) and covariance (n, n) are float64; noise is a variance, learnt
    the number of labels, far how many of the last ones in a row were far off, and calm
    the lowest noise of late.
    """

    def __init__(self, lead_seconds: int) -> None:
        self.first = features.prior(lead_seconds)
        self.weights = np.zeros(features.SIZE)
        self.covariance = self.first.copy()
        self.noise = NOISE_FIRST
        self.calm = NOISE_FIRST
        self.learnt = 0
        self.far = 0
        self._diagonal_max = self.first.diagonal().copy()
        # A view: the covariance is changed in place, here and by whoever restores it.
        self._diagonal = np.einsum("ii->i", self.covariance)
        self._outer = np.empty_like(self.covariance)
        self._narrowed = np.empty(features.SIZE)
        self._as_column, self._as_row = self._narrowed[:, None], self._narrowed[None, :]

    def predict_one(self, x: Features) -> tuple[float, float]:
        """Return the mean, and the variance that not knowing the weights adds."""
        spread = x.scale.dot(self.covariance.take(x.block))
        return self._mean(x), _doubt(x, spread)

    def learn_one(self, x: Features, level: float) -> float:
        """Learn a level, volts; return how far it was from what was due.

        In deviations of the calm noise: what is unsure is no excuse.
        """
        if self.learnt % WANDERS_EVERY == 0:
            diagonal = self._diagonal
            diagonal += WANDERS_EVERY * WANDER
            np.minimum(diagonal, self._diagonal_max, out=diagonal)
        error = level - self._mean(x)
        spread = x.scale.dot(self.covariance.take(x.rows, axis=0))
        doubt = _doubt(x, spread.take(x.rows))
        variance = doubt + self.noise
        deviation = math.sqrt(variance)
        bound = FAR_DEVIATIONS * deviation
        self.far = self.far + 1 if abs(error) > bound else 0
        if self.far > FAR_IN_A_ROW:
            bound = max(bound, ERROR_VOLTS_MAX)
        narrowed = np.divide(spread, deviation, out=self._narrowed)
        self.weights += narrowed * (min(max(error, -bound), bound) / deviation)
        np.dot(self._as_column, self._as_row, out=self._outer)
        self.covariance -= self._outer
        # What of the error is expected to be noise, and not ignorance of the weights.
        share = self.noise / variance
        surprise = min(share * share * error * error, NOISE_STEP_MAX * self.noise)
        rate = max(1.0 / (self.learnt + NOISE_LABELS), NOISE_RATE_MIN)
        noise = self.noise + rate * (surprise + share * doubt - self.noise)
        self.noise = max(noise, NOISE_MIN)
        self.calm = min(self.noise, self.calm * CALM_GROWTH)
        self.learnt += 1
        return error / math.sqrt(self.calm)

    @property
    def is_unsettled(self) -> bool:
        """Whether it misses by far more than it did at its best of late.

        What looks like noise may be a world that goes on changing.
        """
        return self.noise > UNSETTLED * self.calm

    def loosen(self) -> None:
        """Believe less in what was learnt: something has changed."""
        self.covariance *= 1.0 - LOOSENED
        self.covariance += LOOSENED * self.first

    def _mean(self, x: Features) -> float:
        return float(x.scale.dot(self.weights.take(x.rows)))


def _doubt(x: Features, spread: NDArray[np.float64]) -> float:
    """Return the variance that the weights add, by their spread where x is."""
    return max(0.0, float(x.scale.dot(spread)))
