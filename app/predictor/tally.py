"""Predictions scored, as counts and sums from which every metric follows.

One vector of numbers, so that adding tallies is adding vectors, and a state is a list.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ROWS", "Scored", "Tally"]

ROWS = ("published", "regression", "direct", "persistence", "climatology")
"""Whose probabilities are scored: what went out, the two models, two baselines."""

R = len(ROWS)
BINS = 10
RANKS = 64
LOGIT_MAX = 8.0
CLIP = 1e-6

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
LOSS, BRIER, CONFUSION, BIN_COUNT, BIN_PROBABILITY, BIN_POSITIVE, RANK, *REST = (
    place.start for place in PLACES.values()
)
ALERTS, SAME, LEAD = REST
FEW = 4
RANKS_PER_LOGIT = RANKS / 2 / LOGIT_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Labels that have come, with what was said of them; n columns.

    probability is (ROWS, n); label, same (the label known then) and alert bool (n);
    lead is how long before the window's start it was said, seconds.
    """

    probability: NDArray[np.float64]
    label: NDArray[np.bool_]
    same: NDArray[np.bool_]
    alert: NDArray[np.bool_]
    lead: float


class Tally:
    """Counts and sums over scored predictions; see SIZES."""

    __slots__ = ("_few", "_vector")

    def __init__(self, vector: NDArray[np.float64] | None = None) -> None:
        self._vector = np.zeros(SIZE) if vector is None else vector
        # The same numbers as a list, while labels come by the few; else None.
        self._few: list[float] | None = None

    @property
    def vector(self) -> NDArray[np.float64]:
        """The counts and sums."""
        if self._few is not None:
            self._vector[:] = self._few
            self._few = None
        return self._vector

    @vector.setter
    def vector(self, vector: NDArray[np.float64]) -> None:
        self._vector = vector
        self._few = None

    def part(self, name: str) -> NDArray[np.float64]:
        """Return one of the parts, flat."""
        return self.vector[PLACES[name]]

    @property
    def count(self) -> int:
        """How many predictions were scored."""
        return int(self.part("alerts").sum())

    def add(self, scored: Scored) -> None:
        """Count labels that have come."""
        if len(scored.label) <= FEW:
            self._add_few(scored)
            return
        p = np.minimum(np.maximum(scored.probability, CLIP), 1.0 - CLIP)
        label = scored.label
        of_label = np.where(label, p, 1.0 - p)
        missed = 1.0 - of_label
        vector = self.vector
        vector[PLACES["loss"]] -= np.add.reduce(np.log(of_label), axis=1)
        vector[PLACES["brier"]] += np.add.reduce(missed * missed, axis=1)
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
        vector += np.bincount(places.ravel(), p.ravel(), SIZE)
        true_alerts = int(np.count_nonzero(label & scored.alert))
        counted = np.bincount(2 * label + scored.alert, minlength=4)
        vector[PLACES["alerts"]] += counted
        same = int(np.count_nonzero(label == scored.same))
        vector[PLACES["same"]] += same
        vector[PLACES["lead"]] += scored.lead * true_alerts

    def _add_few(self, scored: Scored) -> None:
        """Do the same without NumPy's cost of a call, which few labels do not repay."""
        if self._few is None:
            self._few = self._vector.tolist()
        vector = self._few
        probabilities = scored.probability.T.tolist()
        facts = zip(
            probabilities,
            scored.label.tolist(),
            scored.same.tolist(),
            scored.alert.tolist(),
            strict=True,
        )
        for column, label, same, alert in facts:
            for row, said in enumerate(column):
                p = min(max(said, CLIP), 1.0 - CLIP)
                of_label = p if label else 1.0 - p
                rank = int(math.log(p / (1.0 - p)) * RANKS_PER_LOGIT + RANKS / 2)
                place = int(p * BINS)
                vector[LOSS + row] -= math.log(of_label)
                vector[BRIER + row] += (1.0 - of_label) ** 2
                vector[CONFUSION + 4 * row + 2 * label + (p > 0.5)] += 1
                vector[BIN_COUNT + BINS * row + place] += 1
                vector[BIN_PROBABILITY + BINS * row + place] += p
                if label:
                    vector[BIN_POSITIVE + BINS * row + place] += 1
                rank = min(max(rank, 0), RANKS - 1)
                vector[RANK + RANKS * (2 * row + label) + rank] += 1
            vector[ALERTS + 2 * label + alert] += 1
            vector[SAME] += label == same
            if label and alert:
                vector[LEAD] += scored.lead
