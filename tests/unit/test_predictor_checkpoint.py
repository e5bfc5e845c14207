import contextlib
import copy
import math

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.predictions import ClosedWindow
from app.errors import RejectedState
from app.predictor import checkpoint, rows
from app.predictor.online import Forecaster, Rules

QUARTER, HALF_DAY = 900, 43_200
START = 1_700_006_400  # a Wednesday, 00:00
RULES = Rules(size=QUARTER, lead=HALF_DAY, threshold=116.0)


def as_json(forecaster):
    option = orjson.OPT_SERIALIZE_NUMPY
    return [orjson.dumps(body, option=option) for body in checkpoint.dump(forecaster)]


def restored(forecaster, rules=RULES):
    return checkpoint.load([orjson.loads(b) for b in as_json(forecaster)], rules)


def stream(windows, transformers=5, begin=0):
    """Yield windows with the temperature foreseen; some transformers fall silent."""
    key = (11 << 32) + np.arange(1, transformers + 1)
    for number in range(begin, begin + windows):
        chance = np.random.default_rng(number)
        celsius = 12.0 * math.sin(number / 40.0)
        swing = 3.0 * math.sin(2 * math.pi * number / 96) + 0.05 * abs(celsius)
        maximum = 116.0 + swing + chance.normal(0, 0.2, transformers)
        present = chance.random(transformers) < 0.9
        window = ClosedWindow(
            start=START + QUARTER * number,
            key=key[present],
            minimum=maximum[present] - 3.0,
            maximum=maximum[present],
            mean=maximum[present] - 1.5,
        )
        ahead = 12.0 * math.sin((number + 48) / 40.0)
        yield window, None if number % 17 == 0 else ahead


def run(forecaster, windows):
    made = []
    for window, celsius in windows:
        _, foreseen = forecaster.advance(window, celsius, window.start + 1_800)
        made.append((foreseen.target, foreseen.key.tolist(), foreseen.probability))
    return made


def bits(made):
    return [(target, key, p.tobytes()) for target, key, p in made]


@pytest.mark.parametrize("killed_at", [0, 1, 30, 49, 300])
def test_restored_forecaster_goes_on_bit_for_bit(killed_at):
    whole = Forecaster(RULES)
    run(whole, stream(killed_at))
    other = restored(whole)
    assert bits(run(whole, stream(250, begin=killed_at))) == bits(
        run(other, stream(250, begin=killed_at))
    )
    assert as_json(whole) == as_json(other)


def test_state_holds_no_more_than_json_values():
    forecaster = Forecaster(RULES)
    run(forecaster, stream(60))
    again = orjson.loads(as_json(forecaster)[0])
    assert "models" not in again
    assert checkpoint.VERSION == again["v"]


def test_rows_are_cut_into_parts_and_joined_again(monkeypatch):
    forecaster = Forecaster(RULES)
    run(forecaster, stream(100))
    expected = as_json(forecaster)
    monkeypatch.setattr(rows, "ROWS_MAX", 7)
    parts = [orjson.loads(body) for body in as_json(forecaster)]
    assert len(parts) > 60
    monkeypatch.undo()
    assert expected == as_json(checkpoint.load(parts, RULES))


def test_other_lead_begins_anew_and_other_threshold_keeps_the_volts():
    forecaster = Forecaster(RULES)
    run(forecaster, stream(200))
    assert (
        0
        == restored(forecaster, Rules(size=900, lead=900, threshold=116.0)).scores.made
    )
    other = restored(forecaster, Rules(size=900, lead=HALF_DAY, threshold=117.0))
    assert (0, {}) == (other.scores.made, other.pending)
    assert (forecaster.level.weights == other.level.weights).all()
    run(other, stream(5, begin=200))


# Poison ---------------------------------------------------------------------------


def healthy():
    forecaster = Forecaster(RULES)
    run(forecaster, stream(60))
    return [orjson.loads(body) for body in as_json(forecaster)]


HEALTHY = healthy()


def leaves(value, path=()):
    if isinstance(value, dict):
        yield path
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list) and value:
        yield path
        yield from leaves(value[0], (*path, 0))
        yield from leaves(value[-1], (*path, len(value) - 1))
    else:
        yield path


PATHS = [path for path in leaves(HEALTHY) if path]


@pytest.mark.parametrize(
    ("path", "poison", "message"),
    [
        ((0, "v"), 2, "version 2"),
        ((0, "level", "noise"), math.nan, "noise is no finite number"),
        ((0, "level", "weights", 3), math.nan, "weights holds"),
        ((0, "level", "weights", 3), None, "weights holds"),
        ((0, "level", "covariance"), [], "covariance has shape"),
        ((0, "level", "covariance", 0), -1.0, "variance is not positive"),
        ((0, "champion"), "os.system", "no model is called"),
        ((0, "challenger", "weights", "__class__"), 1.0, "not of known features"),
        ((0, "watches", "series", "loss"), [0.5] * 5_000, "watched what is no share"),
        ((0, "scores", "past", "places"), [10**6], "tally counts"),
        ((0, "pending", 0, "places"), [10**6], "shape|features are not known"),
        ((1, "of", 0), -1, "transformer that is not there"),
        ((1, "of", 0), 10**6, "transformer that is not there"),
        ((2, "margin", 0), math.inf, "margin holds"),
    ],
)
def test_poison_is_refused_by_name(path, poison, message):
    bodies = copy.deepcopy(HEALTHY)
    place = bodies
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = poison
    with pytest.raises(RejectedState, match=message):
        checkpoint.load(bodies, RULES)


@settings(deadline=None)
@given(
    st.sampled_from(PATHS),
    st.sampled_from(
        [None, math.nan, math.inf, -1, 2**63, "x", [], [[]], {}, {"a": 1}, True, 0.5]
    ),
)
def test_any_hostile_value_is_refused_or_harmless(path, poison):
    bodies = copy.deepcopy(HEALTHY)
    place = bodies
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = poison
    try:
        forecaster = checkpoint.load(bodies, RULES)
    except RejectedState:
        return
    # What is let through is a number in place of a number: it still foresees.
    for _, _, probability in run(forecaster, stream(8, begin=60)):
        assert ((probability >= 0) & (probability <= 1)).all()


@settings(deadline=None)
@given(st.sampled_from(PATHS))
def test_truncated_state_is_refused(path):
    bodies = copy.deepcopy(HEALTHY)
    place = bodies
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    with contextlib.suppress(RejectedState):  # a feature's weight may be missing
        checkpoint.load(bodies, RULES)


def test_nothing_at_all_is_refused():
    with pytest.raises(RejectedState, match="nothing"):
        checkpoint.load([], RULES)
