"""How good the forecast is, by the code of `smartmeter evaluate`."""

import pytest

from app.cli import trials
from app.cli.trials import Plan
from app.predictor.online import Rules
from app.settings import Settings

QUARTER, HALF_DAY, DAY = 900, 43_200, 86_400
MONDAY = 1_672_617_600  # 2023-01-02


def plan(**changes):
    values = {
        "source": "generated",
        "of": "transformers",
        "rules": Rules(size=QUARTER, lead=HALF_DAY, threshold=116.0),
        "grace": 900,
        "lanes": 8,
        "warm_up": 20_000,
        "labels": 100_000,
        "rate": 500,
        "bias": False,
        "seed": 1,
        "start": MONDAY,
        "change": "none",
        "change_after": 0.0,
    }
    return Plan(**{**values, **changes})


def run(**changes):
    return trials.run(Settings(), plan(**changes))


@pytest.mark.parametrize("of", ["transformers", "fleet"])
def test_forecast_of_the_simulated_fleet_reaches_its_figures(of):
    """Twelve hours ahead, labels delayed, 20,000 to warm up, 100,000 scored."""
    figures = run(of=of).figures
    published = figures["published"]
    assert abs(100_000 - figures["labels"]) < 10
    assert published["accuracy"] >= 0.985
    assert published["calibration_error"] <= 0.03
    for baseline in ("persistence", "climatology"):
        assert published["log_loss"] < figures[baseline]["log_loss"]
    assert published["kappa_temporal"] > 0.9


@pytest.mark.parametrize(("minutes", "labels"), [(10, 80_000), (15, 10**9)])
def test_forecast_of_a_measured_household_beats_no_change(minutes, labels):
    """One window ahead in one pass, from the first label on; the whole file once."""
    size = 60 * minutes
    rules = Rules(size=size, lead=size, threshold=245.0)
    figures = run(
        source="household", rules=rules, warm_up=0, labels=labels, grace=0
    ).figures
    published = figures["published"]
    assert published["accuracy"] > figures["same_as_now"]["accuracy"]
    assert published["accuracy"] > 0.930
    assert published["roc_auc"] >= 0.95
    assert published["kappa_temporal"] > 0
    assert published["log_loss"] < figures["persistence"]["log_loss"]


# A noon that has risen by 4 V in eight days takes longer: each weekend has but two.
@pytest.mark.parametrize(
    ("change", "recovered"), [("shift", 0.99), ("season", 0.99), ("solar", 0.94)]
)
def test_drift_is_found_within_a_day_and_the_score_recovers(change, recovered):
    labels = 60 * 96 * 7
    report = run(change=change, change_after=40.0, warm_up=1_000, labels=labels)
    drifts = report.found("drifts")
    first_told = min(each.start for each in drifts)
    # A season is foretold: the forecast jumps half a day before the season does.
    assert -HALF_DAY <= first_told - (MONDAY + 40 * DAY) <= DAY
    told_in_time = {each.lane for each in drifts if each.start <= MONDAY + 41 * DAY}
    assert set(report.trials) == told_in_time
    for trial in report.trials.values():
        week = trials.figures(trial.lane.forecaster.scores.week)
        assert week["published"]["accuracy"] >= recovered


@pytest.mark.parametrize("seed", [1, 2])
def test_thirty_quiet_days_have_no_drift(seed):
    labels = 30 * 96 * 7
    assert [] == run(seed=seed, warm_up=1_000, labels=labels).found("drifts")
