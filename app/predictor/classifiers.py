"""Logistic regressions: the calibrator, of one number, and the challenger, river's.

Both learn from a bounded number of a window's transformers, in turn, so that a label
costs the less the more of them there are; they predict for all of them at once.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import linear_model, optim

from app.predictor.features import Features

__all__ = ["Calibrator", "Challenger", "turn"]

Column = NDArray[np.float64]

LEARNT_PER_WINDOW = 4
CALIBRATOR_RATE = 0.005
EPSILON = 1e-8
LOGIT_MAX = 30.0
MARGIN_MAX = 8.0  # standard deviations
LINK_OF_NORMAL = 1.702  # the logistic curve nearest to the normal distribution's
NEAR_VOLTS, NEAR_MAX = 4.0, 2.0


def turn(rows: int, window: int) -> slice:
    """Return which rows of a window are learnt from: a few, each one in its turn.

    >>> turn(3, 0), turn(10, 0), turn(10, 1)
    (slice(0, 3, 1), slice(0, 10, 3), slice(1, 10, 3))
    """
    step = -(-rows // LEARNT_PER_WINDOW)
    return slice(window % step, rows, step)


class Calibrator:
    """The probability that a margin in standard deviations stands for.

    It learns one number, the steepness, by AdaGrad. An intercept would learn from a
    few windows, whose transformers err together, to lean to one side (measured).
    """

    def __init__(self) -> None:
        self.steepness = LINK_OF_NORMAL
        self.squares = 0.0  # of its gradients, added up
        self.learnt = 0

    def predict_many(self, margin: Column) -> Column:
        """Return the probability for each margin."""
        return _link(self.steepness * _bounded(margin, MARGIN_MAX))

    def predict_one(self, margin: float) -> float:
        """Return the probability for one margin."""
        return _link_one(self.steepness * min(max(margin, -MARGIN_MAX), MARGIN_MAX))

    def learn_one(self, margin: float, label: bool) -> None:
        """Learn whether a margin came true."""
        bounded = min(max(margin, -MARGIN_MAX), MARGIN_MAX)
        gradient = (self.predict_one(margin) - label) * bounded
        self.squares += gradient * gradient
        rate = CALIBRATOR_RATE / math.sqrt(self.squares + EPSILON)
        self.steepness -= rate * gradient
        self.learnt += 1


class _AdaGrad(optim.AdaGrad):
    """River's, which tries vectors in vain, and asks for its rate at each weight."""

    def _step_with_vector(self, w: Any, g: Any) -> Any:
        rate, squares = self.learning_rate, self.g2
        for name, slope in g.items():
            total = squares[name] = squares[name] + slope * slope
            w[name] -= rate / math.sqrt(total + self.eps) * slope
        return w


class Challenger:
    """The label itself, learnt directly: no volts between features and probability."""

    def __init__(self) -> None:
        # AdaGrad suits features that are rarely on.
        self.model: Any = linear_model.LogisticRegression(
            optimizer=_AdaGrad(0.3), intercept_lr=0.02
        )

    def predict_many(self, x: Features, over: Column, near: Column) -> Column:
        """Return the probability for each transformer; over and near as in `inputs`."""
        weights = self.model._weights  # noqa: SLF001 - the public way copies them all
        common = self.model._raw_dot_one(x.named)  # noqa: SLF001 - river has no public logit
        of_over, of_near = weights.get("over", 0.0), weights.get("near", 0.0)
        return _link(common + of_over * over + of_near * near)

    def predict_one(self, x: Features, over: float, near: float) -> float:
        """Return the probability for one transformer."""
        named = {**x.named, "over": over, "near": near}
        return _link_one(self.model._raw_dot_one(named))  # noqa: SLF001 - as above

    def learn_one(self, x: Features, over: float, near: float, label: bool) -> None:
        """Learn one transformer's label."""
        self.model.learn_one({**x.named, "over": over, "near": near}, label)

    @staticmethod
    def inputs(maximum: Column, threshold: float) -> tuple[Column, Column]:
        """Return whether each maximum is over (0 or 1), and how near it is (±2)."""
        over = (maximum > threshold).astype(np.float64)
        return over, _bounded((maximum - threshold) / NEAR_VOLTS, NEAR_MAX)

    @staticmethod
    def inputs_one(maximum: float, threshold: float) -> tuple[float, float]:
        """Return the same for one maximum."""
        near = min(max((maximum - threshold) / NEAR_VOLTS, -NEAR_MAX), NEAR_MAX)
        return (1.0 if maximum > threshold else 0.0), near


def _bounded(values: Column, bound: float) -> Column:
    bounded: Column = np.minimum(np.maximum(values, -bound), bound)
    return bounded


def _link(logit: Column) -> Column:
    link: Column = 1.0 / (1.0 + np.exp(-_bounded(logit, LOGIT_MAX)))
    return link


def _link_one(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-min(max(logit, -LOGIT_MAX), LOGIT_MAX)))
