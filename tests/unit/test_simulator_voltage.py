from datetime import UTC, datetime

import numpy as np
import pytest

from app.simulator import population, voltage, weather
from app.simulator.voltage import Generated, Options

METERS = population.meters(population.counts(500), 1)
MONDAY = int(datetime(2017, 4, 3, tzinfo=UTC).timestamp())
SATURDAY = MONDAY + 5 * 86_400

# The original's effective levels by hour, without the temperature's term.
WEEKDAY = (
    [115.2] * 4 + [115.53, 115.87, 116.2, 115.53, 114.87, 114.2, 113.87, 113.53]
    + [113.2, 112.87, 112.53, 112.2, 112.87, 113.53, 114.2, 114.87, 115.53]
    + [116.2, 115.87, 115.53]
)  # fmt: skip
WEEKEND = (
    [115.4] * 4 + [115.07, 114.73] + [114.4] * 4 + [115.07, 115.73, 116.4, 116.73]
    + [117.07] + [117.4] * 4 + [117.07, 116.73, 116.4, 116.07, 115.73]
)  # fmt: skip


def voltages(epoch, **options):
    return Generated(METERS, Options(**options)).values(epoch)[:, 0]


def without_temperature(epoch, **options):
    celsius = weather.temperature(epoch, Options(**options).seed)
    return voltages(epoch, **options) - 0.08 * abs(celsius - 5)


@pytest.mark.parametrize(
    ("day", "levels", "noise"), [(MONDAY, WEEKDAY, 0.16), (SATURDAY, WEEKEND, 0.12)]
)
def test_consumers_follow_the_originals_day(day, levels, noise):
    for hour, level in enumerate(levels):
        each = without_temperature(day + 3_600 * hour)
        assert np.abs(each - level).max() < noise + 0.01
        assert noise == pytest.approx(np.ptp(each) / 2, rel=0.05)


def test_cold_and_heat_both_raise_the_voltage():
    celsius = weather.temperature(MONDAY, 1)
    difference = voltages(MONDAY).mean() - without_temperature(MONDAY).mean()
    assert 0.08 * abs(celsius - 5) == pytest.approx(difference, abs=1e-4)


@pytest.mark.parametrize(
    ("month", "share"), [(1, 0.76), (4, 0.33), (7, 0.66), (10, 0.56)]
)
def test_fleets_maximum_passes_the_threshold_as_often_as_the_originals(month, share):
    begin = int(datetime(2018, month, 1, tzinfo=UTC).timestamp())
    signal = Generated(METERS, Options(seed=0))
    epochs = range(begin, begin + 14 * 86_400, 3_600)
    above = np.mean([signal.values(epoch)[:, 0].max() > 116 for epoch in epochs])
    assert share == pytest.approx(above, abs=0.12)


def test_same_seed_slot_and_epoch_give_the_same_readings_in_any_order():
    first = Generated(METERS, Options(seed=3, slot=2, bias=True))
    second = Generated(METERS, Options(seed=3, slot=2, bias=True))
    later, now = second.values(MONDAY + 900), second.values(MONDAY)
    assert first.values(MONDAY).tobytes() == now.tobytes()
    assert first.values(MONDAY + 900).tobytes() == later.tobytes()


@pytest.mark.parametrize("change", [{"seed": 2}, {"slot": 2}, {"randomness": 0.3}])
def test_another_seed_slot_or_randomness_gives_other_readings(change):
    assert voltages(MONDAY).tolist() != voltages(MONDAY, **change).tolist()


def test_without_bias_all_meters_share_a_level():
    day = [voltages(MONDAY + 900 * n) for n in range(96)]
    assert np.ptp(np.mean(day, axis=0)) < 0.12


def test_bias_gives_meters_of_one_code_the_same_place_and_others_another():
    places = (METERS.code + 0 + 0) % 20  # Monday, midnight
    volts = voltages(MONDAY, bias=True, randomness=0.0)
    by_place = [volts[places == place] for place in range(20)]
    assert all(np.ptp(each) < 1e-4 for each in by_place)
    steps = np.diff([each[0] for each in by_place])
    assert [0.08] * 19 == pytest.approx(steps.tolist(), abs=1e-4)  # 0.4 * 4 V / 20


def test_bias_of_zero_place_is_the_originals():
    places = METERS.code % 20
    off = voltages(MONDAY, randomness=0.0)
    on = voltages(MONDAY, randomness=0.0, bias=True)
    assert off[places == 0].tolist() == on[places == 0].tolist()


def test_mixed_fleet_is_made_of_consumers_businesses_and_industry():
    noon = MONDAY + 12 * 3_600
    demand = Generated(METERS, Options(profile="mixed")).values(noon)[:, 1]
    digit = np.abs(METERS.code) % 10
    assert np.floor(demand[digit <= 2]).tolist() == [300] * np.sum(digit <= 2)
    assert set(np.floor(demand[(digit == 3) | (digit == 4)])) == {3_200}
    assert set(np.floor(demand[digit >= 5])) == {60}


@pytest.mark.parametrize(
    ("profile", "hour", "knot", "spread"),
    [("business", 15, 120, 3), ("industry", 9, 122, 2)],
)
def test_businesses_and_industry_have_days_of_their_own(profile, hour, knot, spread):
    epoch = MONDAY + 3_600 * hour
    each = without_temperature(epoch, profile=profile, randomness=0.0)
    assert knot - 0.2 * spread - 1 == pytest.approx(each.mean(), abs=1e-4)


def test_other_values_are_filler_of_their_number():
    values = Generated(METERS, Options()).values(MONDAY)
    assert (voltage.VALUES,) == values.shape[1:]
    for number in range(3, 13):
        column = values[:, number - 1]
        assert number <= column.min() < column.max() <= number + 1
