"""Predictions that wait for their labels, with the features they were made from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.predictor.features import Features

__all__ = ["COLUMNS", "MODELS", "Pending", "matched", "probabilities", "same"]

Column = NDArray[np.float64]

MODELS = ("regression", "direct")
COLUMNS = (*MODELS, "over", "near", "margin", "foretold", "sign_now", "sign_then")
PLACES = {name: place for place, name in enumerate(COLUMNS)}
SIGNS = PLACES["sign_now"]
FOR_CLASSIFIERS = slice(PLACES["over"], PLACES["margin"] + 1)
"""What the challenger sees of a transformer, over and near, and the margin."""
FOR_LEARNING = slice(PLACES["over"], PLACES["foretold"] + 1)
"""The same, and what was foretold."""


@dataclass(slots=True, kw_only=True)
class Pending:
    """The predictions for one window start, a column for each transformer, by key.

    columns (COLUMNS, n): the models' probabilities; what the challenger saw, over and
    near; margin, the distance from the threshold in standard deviations, and foretold,
    the maximum in volts; the two deviations that foretold used as signs. They are
    float32, so that they are short as JSON and survive it to the bit.
    champion names the model that was published, doubt is the variance (volts squared)
    that not knowing the lane's weights adds, made the moment, epoch seconds.
    """

    x: Features
    made: int
    champion: str
    doubt: float
    climatology: float
    persistence: tuple[float, float]
    key: NDArray[np.int64]
    columns: NDArray[np.float32]

    def column(self, name: str) -> NDArray[np.float32]:
        """Return one of the columns."""
        column: NDArray[np.float32] = self.columns[PLACES[name]]
        return column

    @property
    def published(self) -> Column:
        """The probabilities that were published, as float64."""
        return self.column(self.champion).astype(np.float64)

    def take(self, places: NDArray[np.intp]) -> "Pending":
        """Return some of the predictions."""
        if len(places) == len(self.key):
            return self
        return Pending(
            x=self.x,
            made=self.made,
            champion=self.champion,
            doubt=self.doubt,
            climatology=self.climatology,
            persistence=self.persistence,
            key=self.key[places],
            columns=self.columns[:, places],
        )


def probabilities(predictions: Sequence[Pending]) -> Column:
    """Return all probabilities of some predictions, in the order of `tally.ROWS`."""
    every = np.concatenate([each.columns for each in predictions], axis=1)
    columns = every.astype(np.float64)
    said = np.array(
        [
            (each.champion == MODELS[0], *each.persistence, each.climatology)
            for each in predictions
        ]
    ).T
    labels = [len(each.key) for each in predictions]
    is_first, not_over, over, climatology = np.repeat(said, labels, axis=1)
    published = np.where(is_first, columns[0], columns[1])
    persistence = not_over + (over - not_over) * columns[PLACES["over"]]
    return np.stack([published, *columns[:2], persistence, climatology])


def same(one: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    """Tell whether two columns of keys are equal."""
    if one is other:
        return True
    if len(one) != len(other):
        return False
    if len(one) == 1:  # without NumPy's cost of a call
        return bool(one.item() == other.item())
    return bool((one == other).all())


def matched(
    waiting: NDArray[np.int64], key: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where two sorted columns of keys meet: places in each."""
    if same(waiting, key):
        everywhere = np.arange(len(key))
        return everywhere, everywhere
    _, first, second = np.intersect1d(
        waiting, key, assume_unique=True, return_indices=True
    )
    return first, second
