"""Predictions scored, as counts and sums from which every metric follows.

One vector of numbers, so that adding tallies is adding vectors, and a state is a list.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ROWS", "Scored", "Tally", "grains"]

ROWS = ("published", "regression", "direct", "persistence", "climatology")
"""Whose probabilities are scored: what went out, the two models, two baselines."""

R = len(ROWS)
BINS = 10
RANKS = 64
LOGIT_MAX = 8.0
CLIP = 1e-6
GRAIN = 2.0**-30  # what sums are made of

SIZES = {
    "loss": R,
    "brier": R,
    "confusion": R * 4,  # label, guess
    "bin_count": R * BINS,
    "bin_probability": R * BINS,
    "bin_positive": R * BINS,
    "ranks": R * 2 * RANKS,  # label, logit
    "alerts": 4,  # label, alert
    "same": 1,  # labels equal to the one known when the prediction was made
    "lead": 1,  # seconds, over alerts that came true
}
ENDS = np.cumsum(list(SIZES.values()))
PLACES = {
    name: slice(int(end) - size, int(end))
    for (name, size), end in zip(SIZES.items(), ENDS, strict=True)
}
SIZE = int(ENDS[-1])

FIRST = {
    name: PLACES[name].start + SIZES[name] // R * np.arange(R)[:, None]
    for name in ("confusion", "bin_count", "bin_probability", "bin_positive", "ranks")
}
"""Where each row's counts begin in the vector, a column."""
RANKS_PER_LOGIT = RANKS / 2 / LOGIT_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Labels that have come, with what was said of them; n columns.

    probability is (ROWS, n); label, same (the label known then) and alert are bool
    (n); lead is how long before the window's start it was said, or each was (n), whole
    seconds.
    """

    probability: NDArray[np.float64]
    label: NDArray[np.bool_]
    same: NDArray[np.bool_]
    alert: NDArray[np.bool_]
    lead: NDArray[np.float64] | float


class Tally:
    """Counts and sums over scored predictions, as one vector; see SIZES.

    What is added to a sum is whole grains, so that it is exact up to eight million:
    however labels are grouped, a tally is the same to the bit.
    """

    __slots__ = ("vector",)

    def __init__(self, vector: NDArray[np.float64] | None = None) -> None:
        self.vector = np.zeros(SIZE) if vector is None else vector

    def part(self, name: str) -> NDArray[np.float64]:
        """Return one of the parts, flat."""
        return self.vector[PLACES[name]]

    @property
    def count(self) -> int:
        """How many predictions were scored."""
        return int(self.part("alerts").sum())

    def add(self, scored: Scored) -> None:
        """Count labels that have come."""
        p = np.minimum(np.maximum(scored.probability, CLIP), 1.0 - CLIP)
        label = scored.label
        of_label = np.where(label, p, 1.0 - p)
        missed = 1.0 - of_label
        vector = self.vector
        vector[PLACES["loss"]] -= np.add.reduce(grains(np.log(of_label)), axis=1)
        vector[PLACES["brier"]] += np.add.reduce(grains(missed * missed), axis=1)
        bins = (p * BINS).astype(np.int64)
        rank = (np.log(p / (1.0 - p)) * RANKS_PER_LOGIT + RANKS / 2).astype(np.int64)
        rank = np.minimum(np.maximum(rank, 0), RANKS - 1)
        places = np.concatenate(
            [
                FIRST["confusion"] + 2 * label + (p > 0.5),
                FIRST["bin_count"] + bins,
                FIRST["bin_positive"] + bins[:, label],
                FIRST["ranks"] + RANKS * label + rank,
            ],
            axis=1,
        )
        vector += np.bincount(places.ravel(), minlength=SIZE)
        places = FIRST["bin_probability"] + bins
        vector += np.bincount(places.ravel(), grains(p).ravel(), SIZE)
        counted = np.bincount(2 * label + scored.alert, minlength=4)
        vector[PLACES["alerts"]] += counted
        same = int(np.count_nonzero(label == scored.same))
        vector[PLACES["same"]] += same
        vector[PLACES["lead"]] += np.add.reduce(scored.lead * (label & scored.alert))


def grains(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values rounded to whole grains."""
    return np.rint(values / GRAIN) * GRAIN
