import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.weather import EPOCHS_MAX, Silence, Weather, WeatherEvent

HOUR = 3_600
TWELVE = 12 * HOUR


def weather_of(*events, size=900):
    weather = Weather(size)
    for sequence, (epoch, celsius, hours) in enumerate(events):
        weather.take(
            WeatherEvent(epoch=epoch, celsius=celsius, hours=hours, sequence=sequence)
        )
    return weather


def test_injectors_that_differ_are_averaged_within_the_window():
    weather = weather_of((1800, 4.0, 12), (2699, 6.0, 12), (2700, 90.0, 12))
    assert 5.0 == weather.forecast(1800, TWELVE)


def test_measured_temperatures_are_averaged_apart_from_forecasts():
    weather = weather_of((900, 1.0, 0), (901, 2.0, 0), (905, 80.0, 12))
    assert 1.5 == weather.temperature(900)
    assert weather.temperature(1800) is None


def test_hourly_forecast_is_interpolated_between_its_neighbours():
    weather = weather_of((0, 10.0, 12), (HOUR, 14.0, 12))
    assert 11.0 == weather.forecast(900, TWELVE)


@pytest.mark.parametrize("start", [-900, 4 * HOUR, 2 * HOUR])
def test_nothing_is_foreseen_outside_or_in_a_long_gap(start):
    weather = weather_of((0, 10.0, 12), (4 * HOUR - 900, 14.0, 12))
    assert weather.forecast(start, TWELVE) is None


def test_what_was_said_with_less_lead_is_not_known_yet():
    weather = weather_of((0, 10.0, 6), (0, 20.0, 12), (0, 30.0, 24))
    assert 20.0 == weather.forecast(0, TWELVE)
    assert 10.0 == weather.forecast(0, 900)
    assert 30.0 == weather.forecast(0, 13 * HOUR)


def test_temperature_is_no_forecast():
    assert weather_of((0, 10.0, 0)).forecast(0, 0) is None


def test_repeated_event_changes_nothing():
    weather = weather_of((0, 10.0, 12), (0, 20.0, 12))
    again = WeatherEvent(epoch=0, celsius=99.0, hours=12, sequence=1)
    assert not weather.take(again)
    assert 15.0 == weather.forecast(0, TWELVE)


def test_clock_is_the_latest_moment_of_saying_and_never_goes_back():
    assert weather_of().clock is None
    assert TWELVE == weather_of((2 * TWELVE, 0.0, 12), (100, 0.0, 0)).clock


def test_past_windows_are_forgotten():
    weather = weather_of((0, 1.0, 12), (900, 2.0, 12))
    weather.forget(900)
    assert (None, 2.0) == (weather.forecast(0, 0), weather.forecast(900, 0))


def test_absurd_number_of_epochs_is_bounded():
    weather = weather_of(*((900 * n, 1.0, 12) for n in range(EPOCHS_MAX + 5)))
    assert weather.forecast(0, 0) is None
    assert 1.0 == weather.forecast(900 * (EPOCHS_MAX + 4), 0)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**6),
            st.floats(-80, 80, allow_nan=False),
            st.sampled_from([0, 6, 12]),
        )
    )
)
def test_state_survives_json_to_the_bit(events):
    weather = weather_of(*events)
    other = Weather(900)
    other.restore(json.loads(json.dumps(weather.state())))
    assert weather.state() == other.state()


@pytest.mark.parametrize("sums", [[math.nan, 1], [1.0, 0], ["a", 1], [1.0]])
def test_poisoned_state_is_refused(sums):
    with pytest.raises((TypeError, ValueError)):
        Weather(900).restore({"clock": 1, "sequence": 1, "said": [[12, 0, *sums]]})


def test_silence_begins_anew_with_each_word_and_is_a_lanes_own():
    silence = Silence(10.0)
    looks = [(0, True, 0), (1, True, 5), (0, False, 9), (0, True, 10), (0, True, 19)]
    assert not any(silence.look(n, nothing_more=x, now=at) for n, x, at in looks)
    assert silence.look(1, nothing_more=True, now=15)
    assert not silence.look(0, nothing_more=True, now=19.9)
    assert silence.look(0, nothing_more=True, now=20)
