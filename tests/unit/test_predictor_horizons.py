"""Several horizons: each foresees, learns, is kept and gone back to for itself."""

from collections import Counter
from dataclasses import replace

import orjson
import pytest

from agents import forecast
from app import settings
from app.errors import SettingsError
from app.predictor.rules import rules_of
from tables.models import ModelsState
from tests.unit.test_forecast_journal import (
    COMMANDS,
    EVENTS,
    EXPECTED,
    QUARTER,
    RULES,
    command,
)

SIX = replace(RULES, lead=6 * 3_600)
DAY = replace(RULES, lead=24 * 3_600)
PLAIN = [event for event in EVENTS if event.message.topic != COMMANDS]


def learnt(further=(SIX,), first=RULES, events=EVENTS):
    state = ModelsState(first, QUARTER, further)
    return state, forecast.change(0, state, events, is_silent=False).results


def bodies_of(state):
    option = orjson.OPT_SERIALIZE_NUMPY
    return [
        orjson.loads(orjson.dumps(b, option=option)) for b in state.snapshot_bodies()
    ]


def restored(state, further, first=RULES):
    other = ModelsState(first, QUARTER, further)
    other.restore_bodies(bodies_of(state))
    return other


def test_further_horizon_changes_nothing_of_the_first_one():
    state, results = learnt()
    values = [orjson.loads(value) for topic, _, value in results]
    predictions = [each for each in values if "probability" in each]
    assert {12: 288, 6: 288} == Counter(each["hours"] for each in predictions)
    first = {
        (each["line"][0], each["epoch"][0]): orjson.dumps(each)
        for each in predictions
        if each["hours"] == 12
    }
    expected = {key: value for key, value in EXPECTED.items() if key[0] in {0, 11}}
    assert expected == first
    scored = [each.forecaster.scores.scored for each in state.all_horizons]
    assert [2 * (144 - 48), 2 * (144 - 24)] == scored
    versions = {each["name"] for each in values if "summary" in each}
    assert {"lane-0", "fleet", "lane-0-6h", "fleet-6h"} == versions


def test_state_read_back_is_the_same_for_each_horizon():
    state, _ = learnt(further=(SIX, DAY))
    assert bodies_of(state) == bodies_of(restored(state, (SIX, DAY)))


def test_horizons_that_are_set_anew_keep_what_is_known_of_them():
    state, _ = learnt(further=(SIX,))
    turned = restored(state, (RULES, DAY), first=SIX)
    made = [each.forecaster.scores.made for each in turned.all_horizons]
    assert [288, 288, 0] == made
    assert ["", "-12h", "-24h"] == [each.ending for each in turned.all_horizons]
    assert turned.weather.state() == turned.further[1].weather.state()
    assert 288 == restored(state, ()).forecaster.scores.made


def test_version_of_a_further_horizon_is_gone_back_to_there_alone():
    state, results = learnt(events=PLAIN)
    values = [orjson.loads(value) for _, _, value in results]
    version = next(v for v in values if v.get("name") == "fleet-6h")
    first = bodies_of(restored(state, ()))
    forecast.change(0, state, [command(0, version)], is_silent=False)
    assert ("version", str(version["version"])) == state.further[0].fleet.events[-1][1:]
    assert first == bodies_of(restored(state, ()))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0", "hours from 1"),
        ("12,x", "hours"),
        ("12,12", "twice"),
        ("1,2,3,4,5", "most"),
    ],
)
def test_horizons_that_are_none_are_refused(text, told):
    with pytest.raises(SettingsError, match=told):
        settings.load({"SMARTMETER_FORECAST__HORIZONS_HOURS": text})


def test_horizons_are_hours_with_commas_and_the_first_one_leads():
    values = settings.load({"SMARTMETER_FORECAST__HORIZONS_HOURS": "6, 24"})
    assert (6, 24) == values.forecast.horizons
    assert [6 * 3_600, 24 * 3_600] == [
        rules_of(values).lead,
        rules_of(values, 24).lead,
    ]
