import math

import numpy as np
import pytest

from app.domain.predictions import ClosedWindow
from app.predictor import features
from app.predictor.alone import foresee
from app.predictor.online import Forecaster, Rules

QUARTER, HALF_DAY = 900, 43_200
START = 1_700_006_400
RULES = Rules(size=QUARTER, lead=HALF_DAY, threshold=116.0)
KEYS = (11 << 32) + np.arange(1, 5)


def a_window(number, key=KEYS, volts=None):
    chance = np.random.default_rng(number)
    usual = 116.0 + 2 * math.sin(number / 15) + np.array([-1.0, 0.0, 0.5, 1.0])
    maximum = usual[: len(key)] + chance.normal(0, 0.1, len(key))
    maximum = maximum if volts is None else np.full(len(key), volts)
    return ClosedWindow(
        start=START + QUARTER * number,
        key=key,
        minimum=maximum - 2,
        maximum=maximum,
        mean=maximum - 1,
    )


def taught(windows=150, key=KEYS):
    forecaster = Forecaster(RULES)
    for number in range(windows):
        celsius = 8 * math.sin((number + 48) / 40)
        forecaster.advance(a_window(number, key), celsius, START + QUARTER * number)
    return forecaster


def test_prediction_comes_before_its_label_and_is_scored_once():
    forecaster = Forecaster(RULES)
    learnt = [
        forecaster.advance(a_window(number), None, 0)[0].scored for number in range(60)
    ]
    assert [0] * 48 + [4] * 12 == learnt
    assert (4 * 60, 4 * 12) == (forecaster.scores.made, forecaster.scores.scored)


def test_label_is_learnt_with_the_features_of_its_prediction():
    forecaster = taught()
    (waiting,) = forecaster.pending[START + QUARTER * 150]
    before = forecaster.level.weights.copy()
    forecaster.learn(a_window(150))
    changed = np.flatnonzero(before != forecaster.level.weights)
    assert set(waiting.x.places) <= set(changed)


def test_window_that_skips_leaves_no_prediction_behind():
    forecaster = taught()
    forecaster.advance(a_window(400), None, 0)
    assert [START + QUARTER * 448] == list(forecaster.pending)


def test_prediction_without_its_transformer_is_not_scored():
    forecaster = taught()
    scored = forecaster.scores.scored
    learnt, predictions = forecaster.advance(a_window(150, KEYS[:2]), 0.0, 0)
    assert (2, 2) == (learnt.scored, len(predictions.key))
    assert scored + 2 == forecaster.scores.scored


def test_start_in_two_records_is_learnt_as_two_halves():
    forecaster = taught()
    for key in (KEYS[:2], KEYS[2:]):
        learnt, _ = forecaster.advance(a_window(150, key), 0.0, 0)
        assert 2 == learnt.scored
    learnt, _ = forecaster.advance(a_window(198), 0.0, 0)
    assert 4 == learnt.scored


def test_newcomer_is_foreseen_at_once():
    forecaster = taught()
    key = np.append(KEYS, (12 << 32) + 7)
    window = a_window(150)
    window = ClosedWindow(
        start=window.start,
        key=key,
        minimum=np.append(window.minimum, 128.0),
        maximum=np.append(window.maximum, 130.0),
        mean=np.append(window.mean, 129.0),
    )
    _, predictions = forecaster.advance(window, 0.0, 0)
    assert 0.99 < predictions.probability[-1]


@pytest.mark.parametrize("alone", range(4))
def test_one_transformer_is_foreseen_as_if_it_were_among_many(alone):
    forecaster = taught()
    window = a_window(149, KEYS[[alone]])
    lags = forecaster.memory.lags(window.start, forecaster.centre)
    x = features.shared(window.start + HALF_DAY, 3.0, lags)
    mean, doubt = forecaster.level.predict_one(x)
    expected = forecaster._columns(x, window, mean, doubt)
    actual = foresee(forecaster, x, window, mean, doubt)
    assert expected == pytest.approx(actual, rel=1e-6)


def test_one_transformer_is_learnt_as_if_it_were_among_many():
    alone, twins = Forecaster(RULES), Forecaster(RULES)
    for number in range(200):
        volts = float(a_window(number).maximum[0])
        for forecaster, key in ((alone, KEYS[:1]), (twins, KEYS[:2])):
            forecaster.advance(a_window(number, key, volts), 3.0, 0)
    assert twins.level.weights == pytest.approx(alone.level.weights)
    assert twins.deviations.noise[:1] == pytest.approx(alone.deviations.noise)


def test_replayed_rows_change_nothing():
    forecaster = taught()
    scores = forecaster.scores.total.vector
    pending = {target: len(each) for target, each in forecaster.pending.items()}
    for number in range(100, 150):
        learnt, predictions = forecaster.advance(a_window(number), 0.0, 0)
        assert (0, 0) == (learnt.scored, len(predictions.key))
    assert (scores == forecaster.scores.total.vector).all()
    assert pending == {target: len(each) for target, each in forecaster.pending.items()}
