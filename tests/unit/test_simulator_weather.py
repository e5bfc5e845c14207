import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.simulator import weather


def at(*parts):
    return int(datetime(*parts, tzinfo=UTC).timestamp())


def formula(epoch):
    return weather.temperature_formula(weather.moment(epoch), 0.0)


@pytest.mark.parametrize(
    ("epoch", "celsius"),
    [
        (at(2017, 1, 1), -26.5),
        (at(2017, 7, 1, 12), 26.4461),
        (at(2017, 3, 31, 17), -1.5107),
    ],
)
def test_formula_gives_the_originals_temperatures(epoch, celsius):
    assert celsius == pytest.approx(formula(epoch), abs=5e-5)


def test_temperature_changes_by_less_than_two_degrees_an_hour():
    hours = [formula(at(2017, 1, 1) + 3_600 * hour) for hour in range(365 * 24)]
    steps = [abs(b - a) for a, b in itertools.pairwise(hours)]
    assert 1.379 == pytest.approx(max(steps), abs=5e-4)


@given(st.integers(0, 4_000_000_000), st.integers(0, 2**32))
def test_chance_adds_less_than_two_degrees_and_is_the_same_again(epoch, seed):
    celsius = weather.temperature(epoch, seed)
    assert 0 <= celsius - formula(epoch) < 2
    assert celsius == weather.temperature(epoch, seed)


def test_another_seed_is_another_weather():
    assert weather.temperature(900, 1) != weather.temperature(900, 2)


def test_moment_is_utc():
    saturday = weather.moment(at(2016, 11, 19, 23))
    expected = weather.Moment(day_of_year=324, weekday=5, hour=23)
    assert (expected, True) == (saturday, saturday.weekend)
