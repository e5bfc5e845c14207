import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from river import metrics

from app.predictor.scores import Scores, figures
from app.predictor.tally import ROWS, Scored, Tally

DAY = 86_400


def some_scored(count, seed=0, lead=41_400.0):
    chance = np.random.default_rng(seed)
    truth = chance.random(count)
    label = chance.random(count) < truth
    noise = chance.normal(0, 1, (len(ROWS), count))
    logit = np.log(truth / (1 - truth)) + np.arange(len(ROWS))[:, None] * noise / 2
    probability = 1 / (1 + np.exp(-logit))
    return Scored(
        probability=probability,
        label=label,
        same=chance.random(count) < 0.5,
        alert=probability[0] >= 0.7,
        lead=lead,
    )


def tallied(*scored):
    tally = Tally()
    for each in scored:
        tally.add(each)
    return tally


SCORED = some_scored(3_000)
FIGURES = figures(tallied(SCORED))
RIVERS = {
    "accuracy": metrics.Accuracy,
    "balanced_accuracy": metrics.BalancedAccuracy,
    "precision": metrics.Precision,
    "recall": metrics.Recall,
    "f1": metrics.F1,
    "log_loss": metrics.LogLoss,
}


@pytest.mark.parametrize("name", RIVERS)
@pytest.mark.parametrize("row", range(len(ROWS)))
def test_counts_give_what_rivers_metrics_give_one_by_one(row, name):
    metric = RIVERS[name]()
    for probability, label in zip(SCORED.probability[row], SCORED.label, strict=True):
        said = probability if name == "log_loss" else probability > 0.5
        metric.update(bool(label), said)
    assert metric.get() == pytest.approx(FIGURES[ROWS[row]][name], abs=1e-9)


@pytest.mark.parametrize("row", range(len(ROWS)))
def test_area_under_the_curve_is_the_exact_one_to_a_thousandth(row):
    probability, label = SCORED.probability[row], SCORED.label
    higher = probability[label][:, None] - probability[~label]
    exact = (higher > 0).mean() + (higher == 0).mean() / 2
    assert exact == pytest.approx(FIGURES[ROWS[row]]["roc_auc"], abs=1e-3)


def test_calibration_error_is_the_distance_of_ten_bins_from_what_came():
    probability, label = SCORED.probability[0], SCORED.label
    bins = np.minimum((probability * 10).astype(int), 9)
    expected = sum(
        abs(probability[bins == b].sum() - label[bins == b].sum()) for b in range(10)
    )
    actual = FIGURES["published"]["calibration_error"]
    assert expected / len(label) == pytest.approx(actual)


def test_kappa_temporal_is_the_gain_over_same_as_now():
    same = (SCORED.label == SCORED.same).mean()
    accuracy = FIGURES["published"]["accuracy"]
    assert same == pytest.approx(FIGURES["same_as_now"]["accuracy"])
    expected = (accuracy - same) / (1 - same)
    assert expected == pytest.approx(FIGURES["published"]["kappa_temporal"])


def test_alerts_have_precision_recall_and_lead():
    true = (SCORED.alert & SCORED.label).sum()
    alerts = FIGURES["alerts"]
    assert SCORED.alert.sum() == alerts["count"]
    assert true / SCORED.alert.sum() == pytest.approx(alerts["precision"])
    assert true / SCORED.label.sum() == pytest.approx(alerts["recall"])
    assert 41_400.0 == pytest.approx(alerts["lead_seconds"])


@given(st.integers(1, 30), st.integers(0, 10))
def test_tally_is_the_same_to_the_bit_however_labels_are_grouped(count, seed):
    scored = some_scored(count, seed)
    one_by_one = tallied(
        *(
            Scored(
                probability=scored.probability[:, [n]],
                label=scored.label[[n]],
                same=scored.same[[n]],
                alert=scored.alert[[n]],
                lead=scored.lead,
            )
            for n in range(count)
        )
    )
    assert (one_by_one.vector == tallied(scored).vector).all()


@pytest.mark.parametrize("said", [0.0, 1.0])
def test_certainty_that_was_wrong_costs_much_and_not_infinitely(said):
    one = np.array([said < 0.5])
    probability = np.full((len(ROWS), 1), said)
    scored = Scored(probability=probability, label=one, same=one, alert=one, lead=0.0)
    assert 13.8 == pytest.approx(
        figures(tallied(scored))["published"]["log_loss"], abs=0.1
    )


def test_nothing_scored_has_no_figures():
    assert {"labels": 0} == figures(Tally())


def test_week_keeps_seven_days_and_the_total_everything():
    scores = Scores()
    for day in range(10):
        began = [scores.add(day * DAY + n, some_scored(5)) for n in range(3)]
        assert [True, False, False] == began
    assert 7 * 15 == scores.week.count
    assert 10 * 15 == scores.total.count == scores.scored


def days_of_losses(regression, direct):
    """Return scores of complete days, and of one that has just begun."""
    scores = Scores()
    label = np.array([True])
    for day, losses in enumerate(zip([*regression, 0.5], [*direct, 0.5], strict=True)):
        p = np.exp(-np.array([losses[0], *losses, 0.5, 0.5]))[:, None]
        scored = Scored(probability=p, label=label, same=label, alert=label, lead=0.0)
        scores.add(day * DAY, scored)
    return scores


@pytest.mark.parametrize(
    ("regression", "direct", "prefers"),
    [
        ([0.30, 0.31, 0.29], [0.10, 0.12, 0.11], True),
        ([0.30, 0.31], [0.10, 0.12], False),  # too few days
        ([0.30, 0.31, 0.29], [0.29, 0.30, 0.28], False),  # too small a gain
        ([0.10, 0.90, 0.10], [0.20, 0.10, 0.20], False),  # chance, perhaps
        ([0.10, 0.12, 0.11], [0.30, 0.31, 0.29], False),
    ],
)
def test_champion_changes_on_evidence_alone(regression, direct, prefers):
    scores = days_of_losses(regression, direct)
    assert prefers == scores.prefers_other("regression")
