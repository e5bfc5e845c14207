import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.predictor import features
from app.predictor.classifiers import Calibrator, Challenger, turn
from app.predictor.deviations import Deviations
from app.predictor.drift import KEPT_MAX, NAMES, QUIET_DAYS, Watch, Watches
from app.predictor.level import LevelRegression

HALF_DAY = 43_200
MONDAY = 1_700_438_400
NO_LAGS = (0.0,) * len(features.LAGS)


def test_every_feature_has_a_name_of_its_own():
    assert features.SIZE == len(features.NAMES) == len(set(features.NAMES))


@given(
    st.integers(0, 2**33),
    st.none() | st.floats(allow_nan=True, allow_infinity=True),
    st.tuples(*[st.floats(-1e3, 1e3)] * len(features.LAGS)),
)
def test_features_are_few_distinct_and_finite(start, celsius, lags):
    x = features.shared(start, celsius, lags)
    assert len(x.places) == len(set(x.places)) == len(x.values)
    assert set(x.places) <= set(range(features.SIZE))
    assert all(map(math.isfinite, x.values))


@given(st.floats(-100, 100))
def test_hats_share_one_between_two_neighbours(celsius):
    (left, first), (right, second) = features.hats(celsius)
    assert 1.0 == pytest.approx(first + second)
    assert 1 == right - left


@pytest.mark.parametrize("lead", [900, HALF_DAY, 168 * 3_600])
def test_first_belief_is_a_covariance(lead):
    prior = features.prior(lead)
    assert (prior == prior.T).all()
    assert np.linalg.eigvalsh(prior).min() > 0


def taught(windows=4_000, curve=lambda celsius: 0.1 * abs(celsius - 9.0)):
    """A regression taught a curve of temperature that it was told nothing of."""
    level = LevelRegression(HALF_DAY)
    chance = random.Random(1)
    for number in range(windows):
        celsius = chance.uniform(-15, 30)
        x = features.shared(MONDAY + 900 * number, celsius, NO_LAGS)
        level.learn_one(x, curve(celsius) + chance.gauss(0, 0.02))
    return level


def test_risk_on_both_sides_of_a_temperature_is_found():
    level = taught()
    for celsius in (-12, -5, 0, 9, 15, 25):
        mean, doubt = level.predict_one(features.shared(MONDAY, celsius, NO_LAGS))
        assert 0.1 * abs(celsius - 9.0) == pytest.approx(mean, abs=0.1)
        assert doubt < 0.01


def test_noise_and_what_is_not_known_are_told_apart():
    level = taught()
    assert 0.02 == pytest.approx(math.sqrt(level.noise), rel=0.5)
    _, doubt = level.predict_one(features.shared(MONDAY, 43.0, NO_LAGS))
    assert doubt > 100 * level.noise


def test_covariance_stays_a_covariance():
    level = taught()
    for _ in range(50):
        level.loosen()
        level.learn_one(features.shared(MONDAY, 5.0, NO_LAGS), 1.0)
    assert (level.covariance == level.covariance.T).all()
    assert np.linalg.eigvalsh(level.covariance).min() > -1e-9


def test_absurd_level_does_not_undo_what_was_learnt():
    level = taught()
    x = features.shared(MONDAY, 9.0, NO_LAGS)
    level.learn_one(x, 900.0)
    mean, _ = level.predict_one(x)
    assert abs(mean) < 0.2


def test_new_world_is_learnt_within_a_few_windows():
    level = taught()
    level.loosen()
    for number in range(8):
        level.learn_one(features.shared(MONDAY + 900 * number, 9.0, NO_LAGS), 2.0)
    mean, _ = level.predict_one(features.shared(MONDAY, 9.0, NO_LAGS))
    assert 2.0 == pytest.approx(mean, abs=0.5)


def test_newcomer_brings_its_habit_along():
    deviations = Deviations()
    deviations.grow(3, 0.1)
    slots = np.arange(2)
    for _ in range(50):
        volts = np.array([115.0, 117.0])
        deviations.observe(slots, volts)
    everyone = np.arange(3)
    volts = np.array([115.0, 117.0, 125.0])
    level, _ = deviations.observe(everyone, volts)
    assert 116.0 == pytest.approx(level, abs=0.01)
    assert [-1.0, 1.0, 9.0] == pytest.approx(deviations.habit.tolist(), abs=0.01)


def test_deviation_that_lasts_is_foretold():
    deviations = Deviations()
    deviations.grow(4, 0.1)
    chance, slots = np.random.default_rng(0), np.arange(4)
    mood = np.zeros(4)
    for _ in range(3_000):
        mood = 0.9 * mood + chance.normal(0, 0.5, 4)
        before = deviations.now.copy()
        volts = 116 + mood
        level, _ = deviations.observe(slots, volts)
        signs = np.stack([before, chance.normal(0, 0.5, 4)])
        deviations.learn(slots, signs, volts - level, 0.0)
    now, then = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    of_now, of_then = deviations.foretell(now, then)
    assert 0.9 == pytest.approx(of_now, abs=0.1)
    assert 0.0 == pytest.approx(of_then, abs=0.1)


# river's own -----------------------------------------------------------------------


@given(st.integers(1, 2_000), st.integers(0, 1_000))
def test_each_transformer_has_its_turn(rows, first):
    windows = range(-(-rows // 4))
    chosen = [range(rows)[turn(rows, first + number)] for number in windows]
    assert all(len(rows_of_window) <= 4 for rows_of_window in chosen)
    assert list(range(rows)) == sorted(row for each in chosen for row in each)


def test_many_are_foreseen_as_river_would_foresee_each():
    challenger, chance = Challenger(), random.Random(0)
    for number in range(500):
        x = features.shared(MONDAY + 900 * number, chance.uniform(-9, 9), NO_LAGS)
        challenger.learn_one(x, 1.0, chance.random(), chance.random() < 0.3)
    over, near = np.array([0.0, 1.0, 1.0]), np.array([-0.5, 0.1, 1.5])
    common = {features.NAMES[p]: v for p, v in zip(x.places, x.values, strict=True)}
    expected = [
        challenger.model.predict_proba_one({**common, "over": o, "near": n})[True]
        for o, n in zip(over, near, strict=True)
    ]
    assert expected == pytest.approx(challenger.predict_many(x, over, near).tolist())


def test_margin_stands_for_its_probability_from_the_first_on():
    calibrator = Calibrator()
    margin = np.array([-9.0, 0.0, 1.0, 9.0])
    first = calibrator.predict_many(margin)
    assert [0.0, 0.5, 0.841, 1.0] == pytest.approx(first.tolist(), abs=0.01)
    for _ in range(5_000):
        calibrator.learn_one(2.0, True)
        calibrator.learn_one(2.0, False)  # as often as not: margins mean little here
    assert 0.75 > calibrator.predict_many(margin)[2]


# Drift -----------------------------------------------------------------------------


def test_watch_tells_a_rise_and_no_fall():
    chance = random.Random(0)
    watch = Watch()
    assert not any(watch.update(chance.uniform(0, 0.2)) for _ in range(3_000))
    assert any(watch.update(chance.uniform(0.5, 0.7)) for _ in range(48))
    assert not any(watch.update(chance.uniform(0, 0.2)) for _ in range(3_000))


def test_watch_that_is_fed_again_goes_on_as_the_other():
    chance = random.Random(0)
    watch = Watch()
    for _ in range(2 * KEPT_MAX + 100):
        watch.update(chance.random())
    assert len(watch.kept) <= KEPT_MAX
    other = Watch(watch.kept)
    values = [min(1.0, chance.random() + 0.4) for _ in range(200)]
    assert [watch.update(v) for v in values] == [other.update(v) for v in values]


def test_first_days_are_not_told():
    watches = Watches(900)
    told = []
    for number in range(96 * QUIET_DAYS):
        missed = 0.0 if number < 300 else 9.0
        told += watches.judge(MONDAY + 900 * number, 0.0, missed)
    assert [] == told


def test_jump_of_the_temperature_is_told_with_the_next_label():
    watches = Watches(900)
    told = []
    for number in range(96 * 20):
        start = MONDAY + 900 * number
        swing = 5 * math.sin(2 * math.pi * number / 96)
        watches.foresee(start + HALF_DAY, swing + (25.0 if number > 1_200 else 0.0))
        told += [(number, name) for name in watches.judge(start, 0.1, 0.5)]
    assert ["temperature"] == [name for _, name in told]
    assert set(NAMES) == set(watches.series)
    assert 1_200 < told[0][0] < 1_296  # within a day
