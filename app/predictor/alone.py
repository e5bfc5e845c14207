"""A window of one transformer, in plain numbers: without NumPy's cost of a call.

Where each lane has one, as in a small fleet, nearly all that a label costs would be
calls on columns of one row. What is computed is the same.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.domain.predictions import ClosedWindow
from app.predictor.features import Features
from app.predictor.pending import FOR_LEARNING, Pending

if TYPE_CHECKING:
    from app.predictor.online import Forecaster

__all__ = ["foresee", "learn"]


def foresee(
    models: "Forecaster", x: Features, window: ClosedWindow, mean: float, doubt: float
) -> NDArray[np.float32]:
    """Return the columns of `pending.COLUMNS`, for the lane's level and its doubt."""
    slots, threshold = models.slots_of(window.key), models.rules.threshold
    deviations, slot = models.deviations, slots.item()
    now = deviations.now.item(slot)
    then = models.memory.deviation_then(window.start, slots, models.transformers).item()
    foretold = deviations.foretell_one(now, then) + deviations.habit.item(slot)
    foretold += (models.centre or 0.0) + mean
    margin = (foretold - threshold) / math.sqrt(doubt + deviations.noise.item(slot))
    over, near = models.challenger.inputs_one(window.maximum.item(), threshold)
    regression = models.calibrator.predict_one(margin)
    direct = models.challenger.predict_one(x, over, near)
    column = regression, direct, over, near, margin, foretold, now, then
    return np.array(column, np.float32)[:, None]


def learn(
    models: "Forecaster", waiting: Pending, slot: int, maximum: float, level: float
) -> float:
    """Learn a label, volts; return by how many deviations the level was missed."""
    missed = models.level.learn_one(waiting.x, level)
    before, near, margin, foretold = waiting.columns[FOR_LEARNING, 0].tolist()
    models.deviations.learn_one(slot, maximum - foretold, waiting.doubt)
    over = maximum > models.rules.threshold
    models.calibrator.learn_one(margin, over)
    models.challenger.learn_one(waiting.x, before, near, over)
    models.baselines.learn_follow(before > 0, over)
    return missed
