"""The scores of the predictions: in total and of the last week, by river's metrics.

Labels come by the few and are counted by the many: what has come waits, as it is, for
a number of labels, for the next day, or for whoever asks.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import metrics

from app.predictor.pending import Pending, probabilities
from app.predictor.tally import BINS, RANKS, ROWS, Scored, Tally

__all__ = ["Scores", "figures"]

DAY_SECONDS = 86_400
DAYS = 7
EVIDENCE_DAYS_MIN = 3
COUNTED_TOGETHER = 256
MODELS = ROWS[1:3]


class Scores:
    """Predictions made, and those scored, by day of the last week and all before."""

    def __init__(self, alert_probability: float = 0.5) -> None:
        self.alert_probability = alert_probability
        self.made = 0
        self.past = Tally()
        self._days: dict[int, Tally] = {}
        self._came: list[tuple[int, Pending, NDArray[np.bool_]]] = []
        self._labels = 0
        self._day: int | None = None  # of what has come

    @property
    def days(self) -> dict[int, Tally]:
        """The tallies of the last days that had labels."""
        self._count()
        return self._days

    def take(self, start: int, waiting: Pending, label: NDArray[np.bool_]) -> bool:
        """Score predictions of one window start; return whether a new day began."""
        day = start // DAY_SECONDS
        if day != self._day:
            self._count()
            self._day = day
        self._came.append((start, waiting, label))
        self._labels += len(label)
        if self._labels >= COUNTED_TOGETHER:
            self._count()
        return self._begin(day)

    def add(self, start: int, scored: Scored) -> bool:
        """Count labels of one day at once; return whether a new day began."""
        began = self._begin(day := start // DAY_SECONDS)
        self._days[day].add(scored)
        return began

    def _begin(self, day: int) -> bool:
        if day in self._days:
            return False
        self._days[day] = Tally()
        while len(self._days) > DAYS:
            self.past.vector += self._days.pop(min(self._days)).vector
        return True

    def _count(self) -> None:
        if not self._came:
            return
        starts, waiting, labels = zip(*self._came, strict=True)
        self._came, self._labels = [], 0
        probability = probabilities(waiting)
        before = np.concatenate([each.column("over") for each in waiting])
        leads = [s - each.made for s, each in zip(starts, waiting, strict=True)]
        scored = Scored(
            probability=probability,
            label=np.concatenate(labels),
            same=before > 0,
            alert=probability[0] >= self.alert_probability,
            lead=np.repeat(np.array(leads, np.float64), [len(each) for each in labels]),
        )
        self.add(starts[0], scored)

    @property
    def week(self) -> Tally:
        """The tally of the last seven days that had labels."""
        tally = Tally()
        for day in self.days.values():
            tally.vector += day.vector
        return tally

    @property
    def total(self) -> Tally:
        """The tally of everything."""
        tally = self.week
        tally.vector += self.past.vector
        return tally

    @property
    def scored(self) -> int:
        """How many predictions were scored."""
        return self.past.count + sum(day.count for day in self.days.values())

    def prefers_other(self, champion: str) -> bool:
        """Tell whether the other model is better, by the days that are complete.

        On the evidence of at least three days: its mean log-loss is a tenth lower, and
        lower by three standard errors of the daily difference.
        """
        row = ROWS.index(champion)
        other = ROWS.index(next(n for n in MODELS if n != champion))
        losses = np.array(
            [
                self._days[day].part("loss")[[row, other]] / self._days[day].count
                for day in sorted(self._days)[:-1]
            ]
        )
        if len(losses) < EVIDENCE_DAYS_MIN:
            return False
        gain = losses[:, 0] - losses[:, 1]
        error = gain.std(ddof=1) / np.sqrt(len(gain))
        return bool(
            gain.mean() > 0.1 * losses[:, 0].mean() and gain.mean() > 3.0 * error
        )


def figures(tally: Tally) -> dict[str, Any]:
    """Return every metric of a tally, by whose predictions; None where undefined.

    The alert's precision, recall and mean lead time stand beside them, and the
    accuracy of "same as now".
    """
    count = tally.count
    if not count:
        return {"labels": 0}
    same = float(tally.part("same")[0]) / count
    found: dict[str, Any] = {
        "labels": count,
        "positives": float(tally.part("alerts")[2:].sum()) / count,
        "same_as_now": {"accuracy": same},
    }
    for row, name in enumerate(ROWS):
        found[name] = _row(tally, row, same)
    alerts = _confusion(tally.part("alerts"))
    true_alerts = float(tally.part("alerts")[3])
    found["alerts"] = {
        "count": int(tally.part("alerts")[[1, 3]].sum()),
        "precision": metrics.Precision(cm=alerts).get(),
        "recall": metrics.Recall(cm=alerts).get(),
        "lead_seconds": float(tally.part("lead")[0]) / true_alerts
        if true_alerts
        else None,
    }
    return found


def _row(tally: Tally, row: int, same: float) -> dict[str, float | None]:
    count = tally.count
    matrix = _confusion(tally.part("confusion")[4 * row : 4 * row + 4])
    accuracy = metrics.Accuracy(cm=matrix).get()
    return {
        "accuracy": accuracy,
        "balanced_accuracy": metrics.BalancedAccuracy(cm=matrix).get(),
        "roc_auc": _area(tally, row),
        "log_loss": float(tally.part("loss")[row]) / count,
        "brier": float(tally.part("brier")[row]) / count,
        "calibration_error": _calibration_error(tally, row),
        "kappa_temporal": (accuracy - same) / (1.0 - same) if same < 1.0 else None,
        "precision": metrics.Precision(cm=matrix).get(),
        "recall": metrics.Recall(cm=matrix).get(),
        "f1": metrics.F1(cm=matrix).get(),
    }


def _confusion(counts: Any) -> metrics.ConfusionMatrix:
    matrix = metrics.ConfusionMatrix()
    for place, count in enumerate(counts):
        if count:
            matrix.update(place >= 2, place % 2 == 1, w=float(count))
    return matrix


def _area(tally: Tally, row: int) -> float | None:
    ranks = tally.part("ranks")[2 * RANKS * row : 2 * RANKS * (row + 1)]
    negative, positive = ranks[:RANKS], ranks[RANKS:]
    pairs = negative.sum() * positive.sum()
    if not pairs:
        return None
    below = np.cumsum(negative) - negative
    # Within a bin the order is unknown: half of the pairs count as right.
    return float((positive * (below + negative / 2)).sum() / pairs)


def _calibration_error(tally: Tally, row: int) -> float:
    part = slice(BINS * row, BINS * (row + 1))
    said = tally.part("bin_probability")[part]
    came = tally.part("bin_positive")[part]
    return float(np.abs(said - came).sum()) / tally.count
