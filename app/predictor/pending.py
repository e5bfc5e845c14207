"""Predictions that wait for their labels, with the features they were made from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.predictor.features import Features

__all__ = ["Pending", "brief", "matched"]

Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The predictions for one window start; columns of one length, sorted by key.

    doubt is the variance (volts squared) that not knowing the lane's weights adds,
    foretold the maximum (volts), margin its distance from the threshold in standard
    deviations, signs (2, n) the deviations they used, near and over those of the
    challenger, published, regression and direct probabilities. Columns hold single
    precision, so that they are short as JSON and survive it to the bit.
    """

    x: Features
    made: int
    doubt: float
    climatology: float
    persistence: tuple[float, float]
    key: NDArray[np.int64]
    foretold: Column
    margin: Column
    signs: Column
    near: Column
    over: Column
    published: Column
    regression: Column
    direct: Column

    def probabilities(self, rows: NDArray[np.intp]) -> Column:
        """Return all probabilities of some rows, in the order of `tally.ROWS`."""
        not_over, over = self.persistence
        persistence = np.where(self.over[rows] > 0, over, not_over)
        climatology = np.full(len(rows), self.climatology)
        models = self.published[rows], self.regression[rows], self.direct[rows]
        return np.stack([*models, persistence, climatology])


def brief(column: Column) -> Column:
    """Return numbers as single precision would hold them."""
    return column.astype(np.float32).astype(np.float64)


def matched(
    waiting: NDArray[np.int64], key: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where two sorted columns of keys meet: places in each."""
    if len(waiting) == len(key) and (waiting == key).all():
        everywhere = np.arange(len(key))
        return everywhere, everywhere
    _, first, second = np.intersect1d(
        waiting, key, assume_unique=True, return_indices=True
    )
    return first, second
