import math

import numpy as np
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.predictions import closed_windows
from app.domain.weather import WeatherEvent
from app.predictor.lane import LaneForecast
from app.predictor.online import Rules
from app.predictor.past import WINDOWS_MAX

QUARTER, HALF_DAY = 900, 43_200
START = 1_700_006_400
RULES = Rules(size=QUARTER, lead=HALF_DAY, threshold=116.0)


def window_at(number, transformers=3):
    chance = np.random.default_rng(number)
    maximum = 116 + 3 * math.sin(number / 15) + chance.normal(0, 0.1, transformers)
    return {
        "start": [START + QUARTER * number] * transformers,
        "line": [11] * transformers,
        "transformer": list(range(1, transformers + 1)),
        "minimum": (maximum - 3).tolist(),
        "maximum": maximum.tolist(),
        "mean": (maximum - 1).tolist(),
    }


def weather_at(number):
    """Return what is said in a cycle: a temperature, and a forecast 12 hours ahead."""
    epoch = START + QUARTER * number
    for place, hours in enumerate((0, 12)):
        yield WeatherEvent(
            epoch=epoch + hours * 3_600,
            celsius=10 * math.sin(number / 30) + hours,
            hours=hours,
            sequence=10 * number + place,
        )


WINDOWS = [window_at(n) for n in range(120)]
WEATHER = [event for n in range(-2, 122) for event in weather_at(n)]


def told(lane, columns=None, event=None, silent=False):
    if silent:
        return lane.take_silence()
    if event is not None:
        return lane.take_weather(event)
    made = columns["start"][0] + 2 * QUARTER
    return lane.take_windows(closed_windows(columns), made)


def interleaved(order):
    """Yield windows and weather, each in its order; the two merged as order says."""
    logs = {"columns": iter(WINDOWS), "event": iter(WEATHER)}
    for name in order:
        for taken in logs[name]:
            yield {name: taken}
            break
    for name, rest in logs.items():
        yield from ({name: taken} for taken in rest)


def what_came(lane, order):
    return [
        (
            outcome.predictions.target,
            outcome.predictions.celsius,
            outcome.predictions.probability.tobytes(),
            outcome.learnt,
            outcome.made,
        )
        for taken in order
        for outcome in told(lane, **taken)
    ]


IN_TIME = ["event"] * 6 + ["columns", "event", "event"] * 120
EXPECTED = what_came(LaneForecast(RULES, QUARTER), interleaved(IN_TIME))


def test_every_window_is_foreseen_from_with_its_temperature():
    assert 120 == len(EXPECTED)
    assert all(celsius is not None for _, celsius, *_ in EXPECTED)


# Each of the two may be read ahead of the other without bound.
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_order_in_which_two_logs_are_read_does_not_matter(data):
    order, ahead = ["event"] * 6, 0
    for _ in range(120):
        lag = data.draw(st.integers(-30, 120))
        order += ["event"] * max(0, 2 * (ahead - lag)) + ["columns"]
        ahead = min(ahead, lag) + 1
    assert EXPECTED == what_came(LaneForecast(RULES, QUARTER), interleaved(order))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 360), st.integers(0, 11))
def test_lane_read_back_at_any_moment_goes_on_bit_for_bit(killed_at, weather_late):
    order = (
        ["event"] * 6 + ["columns"] * weather_late + ["columns", "event", "event"] * 120
    )
    events = list(interleaved(order))
    lane = LaneForecast(RULES, QUARTER)
    before = what_came(lane, events[:killed_at])
    other = read_back(lane)
    assert EXPECTED == before + what_came(other, events[killed_at:])


def test_dead_weather_is_waited_for_no_longer_than_the_patience():
    lane = LaneForecast(RULES, QUARTER)
    for event in WEATHER[:40]:
        told(lane, event=event)
    silent_since = lane.weather.clock
    counts = [
        len(told(lane, columns=columns)) + len(told(lane, silent=True))
        for columns in WINDOWS[:60]
    ]
    held = [n for n, count in enumerate(counts) if not count]
    starts = [START + QUARTER * n for n in held]
    # Those that closed before the weather fell silent are foreseen from at once, ...
    assert min(starts) == silent_since - QUARTER
    # ... later ones once it is three hours behind, from then on without delay.
    assert max(starts) == silent_since + 3 * 3_600
    assert 60 == sum(counts)
    assert {1} == set(counts[held[-1] + 2 :])


def test_weather_that_is_only_behind_is_waited_for():
    lane = LaneForecast(RULES, QUARTER)
    assert [] == [o for columns in WINDOWS for o in told(lane, columns=columns)]
    assert EXPECTED == what_came(lane, ({"event": event} for event in WEATHER))


def test_lane_without_any_weather_foresees_without_a_temperature():
    lane = LaneForecast(RULES, QUARTER)
    made = []
    for columns in WINDOWS:
        made += told(lane, columns=columns)
        made += told(lane, silent=True)
    assert 120 == len(made)
    assert {None} == {outcome.predictions.celsius for outcome in made}


def test_replayed_window_is_neither_learnt_nor_foreseen_from_again():
    lane = LaneForecast(RULES, QUARTER)
    what_came(lane, interleaved(IN_TIME))
    scores = lane.forecaster.scores.total.vector.copy()
    learnt = lane.forecaster.level.learnt
    assert [] == [o for columns in WINDOWS for o in told(lane, columns=columns)]
    assert learnt == lane.forecaster.level.learnt
    assert (scores == lane.forecaster.scores.total.vector).all()
    assert 3 * 120 == lane.forecaster.scores.made
    assert 3 * (120 - 48) == lane.forecaster.scores.scored


def read_back(lane):
    option = orjson.OPT_SERIALIZE_NUMPY
    other = LaneForecast(RULES, lane.grace)
    other.load([orjson.loads(orjson.dumps(p, option=option)) for p in lane.dump()])
    return other


def test_what_was_foreseen_of_the_last_windows_is_remembered_within_bounds():
    lane = LaneForecast(RULES, 0)
    numbers = range(WINDOWS_MAX + 2 * HALF_DAY // QUARTER)
    for number in numbers:
        for event in weather_at(number + 1):
            lane.take_weather(event)
        windows = list(closed_windows(window_at(number)))
        lane.take_windows(windows, START + QUARTER * (number + 1))
    assert WINDOWS_MAX == len(lane.past)
    assert 3 * WINDOWS_MAX == lane.past.rows
    *_, (start, last) = lane.past
    assert lane.front == start
    assert HALF_DAY - QUARTER == start - last.made
    assert abs(last.foretold - windows[0].maximum).max() < 1.5
    # Who takes the lane over shows the same.
    other = read_back(lane).past
    assert lane.past.rows == other.rows
    for (start, said), (again, found) in zip(lane.past, other, strict=True):
        assert (start, said.made) == (again, found.made)
        for name in ("key", "probability", "foretold"):
            assert (getattr(said, name) == getattr(found, name)).all()
