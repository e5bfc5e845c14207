"""Gauges that carry a value: the fleet's maximum, lines, what is foreseen."""

import math

import pytest
from prometheus_client import REGISTRY, CollectorRegistry

from app.domain.fleet import LaneClosed
from app.metrics import forecast, live
from app.metrics.families import Families, Sample, counter, gauge
from app.metrics.forecast import ForecastFigures
from app.metrics.live import LaneFigures
from tables.fleet import FleetState


def value(name, **labels):
    return REGISTRY.get_sample_value(name, labels)


@pytest.fixture
def registered(monkeypatch):
    """A registry of the test's own for what it registers; returns a look-up in it."""
    registry = CollectorRegistry()

    def register(families, _=None):
        registry.register(families)

    monkeypatch.setattr(Families, "register", register)
    return lambda name, **labels: registry.get_sample_value(name, labels)


def test_fleet_knows_the_last_epoch_that_became_final():
    fleet = FleetState(2)
    fleet.apply(LaneClosed(lane=0, closed_to=2_700, maxima={900: 117.0, 1_800: 112.0}))
    assert fleet.latest is None
    fleet.apply(LaneClosed(lane=1, closed_to=2_700, maxima={900: 118.5}))
    assert (1_800, 112.0) == fleet.latest
    fleet.apply(LaneClosed(lane=1, closed_to=3_600, maxima={}))
    assert (1_800, 112.0) == fleet.latest


def test_fleet_of_another_worker_has_no_series(registered):
    known = [None]
    live.register_fleet(lambda: known[0])
    assert registered("smartmeter_live_fleet_maximum_volts") is None
    known[0] = (900, 117.25)
    assert 117.25 == registered("smartmeter_live_fleet_maximum_volts")
    assert 900 == registered("smartmeter_live_fleet_maximum_timestamp_seconds")


def test_lines_are_shown_one_by_one_up_to_a_bound(monkeypatch):
    monkeypatch.setattr(live, "_lines", set())
    monkeypatch.setattr(live, "LINES_MAX", 2)
    name = "smartmeter_live_line_exceedances_total"
    before = [value(name, line=line) or 0 for line in ("9001", "9002", "9003", "other")]
    live.line_readings_closed([9001, 9002, 9003, 9004], [5, 5, 5, 5], [1, 2, 3, 4])
    live.line_readings_closed([9001], [5], [1])
    after = [value(name, line=line) or 0 for line in ("9001", "9002", "9003", "other")]
    assert [2, 2, 0, 7] == [b - a for a, b in zip(before, after, strict=True)]


def lane(**known):
    unknown = dict.fromkeys(ForecastFigures._fields, math.nan)
    return ForecastFigures(
        **{**unknown, "partition": 3, "made": 0, "scored": 0} | known
    )


def test_forecast_that_is_not_known_has_no_series(registered):
    figures = [lane()]
    forecast.register_forecasts(lambda: figures)
    alerts = "smartmeter_forecast_foreseen_alerts"
    assert 0 == registered("smartmeter_forecast_predictions_made_total", lane="3")
    assert registered(alerts, lane="3") is None
    figures[:] = [lane(alerts=2, measured=-3.5)]
    assert 2 == registered(alerts, lane="3")
    assert -3.5 == registered(
        "smartmeter_forecast_measured_temperature_celsius", lane="3"
    )


def test_lag_that_is_not_known_says_so(registered):
    known = dict.fromkeys(LaneFigures._fields, 1)
    figures = LaneFigures(**known | {"watermark": math.nan, "lag": math.nan})
    live.register_lanes(lambda: [figures])
    assert math.isnan(registered("smartmeter_live_lag_frames", lane="1"))
    assert registered("smartmeter_live_watermark_timestamp_seconds", lane="1") is None


def test_sample_of_no_family_is_refused():
    families = Families(
        [gauge("a_volts", "A."), counter("b_total", "B.")],
        lambda: [Sample("c_volts", (), 1.0)],
    )
    assert ["a_volts", "b"] == [family.name for family in families.describe()]
    with pytest.raises(KeyError):
        list(families.collect())
