import numpy as np

from app.simulator import population, weather
from app.simulator.fleet import Fleet
from app.simulator.voltage import Generated, Options
from app.wire.limits import Limits
from app.wire.meter import RawMessage, ReadingDecoder
from app.wire.weather import decode_weather

BASE = "smartmeter.voltage.raw"
EPOCH = 1_637_539_200
HALF_A_DAY = 12 * 3_600


def a_fleet(slot=1, **options):
    meters = population.meters(population.counts(500), slot)
    source = Generated(meters, Options(slot=slot, **options))
    return Fleet(BASE, meters, source, seed=source._options.seed)


def weather_of(messages):
    return [
        decode_weather(
            RawMessage(message.subject, message.payload, 1, 2e9), BASE, Limits()
        )
        for message in messages
        if not message.is_reading
    ]


def test_cycle_is_temperature_then_forecast_then_every_usage_point():
    subjects = [message.subject for message in a_fleet().cycle(EPOCH)]
    readings = [f"{BASE}.data.11.{t}.{u}" for t in range(1, 8) for u in range(1, 72)]
    assert [f"{BASE}.temperature", f"{BASE}.forecast.12", *readings] == subjects


def test_all_readings_of_a_cycle_carry_its_epoch_and_the_signals_values():
    fleet = a_fleet()
    messages = fleet.cycle(EPOCH)[2:]
    decoded = ReadingDecoder("lane", Limits()).decode(
        [
            RawMessage(
                message.subject.replace(f"{BASE}.data", "lane.0"),
                message.payload,
                1,
                2e9,
            )
            for message in messages
        ]
    )
    readings = decoded.readings
    assert ([], len(fleet)) == (decoded.rejected, len(readings))
    assert {EPOCH} == set(readings.timestamp.tolist())
    values = fleet._source.values(EPOCH)
    assert values[:, 0].tolist() == readings.voltage.tolist()
    assert np.array_equal(values[:, 1:].T, list(readings.extra.values()))


def test_what_is_forecast_is_the_temperature_that_comes_twelve_hours_later():
    fleet = a_fleet()
    forecast = weather_of(fleet.cycle(EPOCH))[1]
    later = weather_of(fleet.cycle(EPOCH + HALF_A_DAY))[0]
    assert ("forecast", 12) == (forecast.kind, forecast.hours)
    assert (later.epoch, later.celsius) == (forecast.epoch, forecast.celsius)


def test_all_slots_of_a_seed_tell_one_weather():
    first, second = (weather_of(a_fleet(slot).cycle(EPOCH)) for slot in (1, 2))
    assert first == second


def test_voltage_depends_on_the_temperature_that_is_published_with_it():
    fleet = a_fleet(randomness=0.0)
    celsius = weather_of(fleet.cycle(EPOCH))[0].celsius
    volts = fleet._source.values(EPOCH)[0, 0]
    # Monday, midnight: the knot 117 V, less the original's constant bias and 1 V.
    assert abs(volts - (117 - 0.8 - 1 + 0.08 * abs(celsius - 5))) < 1e-3
    assert 0 == weather.moment(EPOCH).weekday
