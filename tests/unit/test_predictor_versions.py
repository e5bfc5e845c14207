"""Versions of models: gone back to exactly, or refused with what does not match."""

import logging

import orjson
import pytest

from agents import forecast
from app.errors import RejectedMessage, RejectedState
from app.predictor import checkpoint, features, versions
from app.predictor.deviations import Deviations
from app.predictor.lane import LaneForecast
from app.wire.models import (
    PART_CHARACTERS_MAX,
    RollBack,
    encode_roll_back,
    encode_version,
    names,
)
from tables.models import ModelsState
from tests.mortal import bodies
from tests.unit.test_forecast_journal import (
    EVENTS,
    QUARTER,
    RULES,
    START,
    VERSIONS,
    a_worker,
    command,
    poisoned,
)

LANE = orjson.loads(VERSIONS[0]["state"])
RULES_THEN = LANE["rules"]


def a_state(events=EVENTS[:300]):
    state = ModelsState(RULES, QUARTER)
    forecast.change(0, state, events, is_silent=False)
    return state


def test_version_is_published_when_a_day_of_labels_has_ended():
    (version, _) = VERSIONS
    assert 0 == version["version"] % 86_400
    assert START < version["version"]
    summary = version["summary"]
    assert ("regression", 2) == (summary["champion"], summary["transformers"])
    assert summary["labels"] == summary["week"]["labels"] > 0


def test_models_are_those_of_the_version_again_and_the_rest_is_the_present():
    state = a_state()
    scores = state.forecaster.scores.made
    forecast.change(0, state, [command(0, VERSIONS[0])], is_silent=False)
    assert (state.front, "version", str(VERSIONS[0]["version"])) == state.events[-1]
    again = versions.take(state.forecaster, start=0, made=0)
    found = orjson.loads(again.state)
    expected = orjson.loads(VERSIONS[0]["state"])
    for each in (expected, found):
        del each["deviations"]["now"]  # is of the present
    assert expected == found
    assert scores == state.forecaster.scores.made
    deviations, same = state.forecaster.deviations, Deviations()
    same.take_products(deviations.products)
    assert same.foretell_one(1.0, 0.5) == deviations.foretell_one(1.0, 0.5) != 0.0


def test_state_read_back_has_gone_back_too():
    log = []
    worker = a_worker(log, 1)
    for group in (EVENTS[:300], [command(0, VERSIONS[0])]):
        _, record = worker.fold(group)
        worker.write([record])
    assert bodies(worker.journal.state) == bodies(a_worker(log, 1).journal.state)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"v": 2}, "format 2 is not known"),
        ({"features": "0123"}, "other features than this build's"),
        (
            {"rules": {**RULES_THEN, "lead": 3_600}},
            "a lead of 3600, and it is 43200",
        ),
        ({"rules": {**RULES_THEN, "threshold": 120.0}}, "a threshold of 120"),
        ({"level": {}}, "weights is missing"),
        ({"champion": "chance"}, "no model is called"),
        ({"transformer": [1]}, "transformer has shape"),
        ({"baselines": {}}, "hours_over is missing"),
    ],
)
def test_version_that_does_not_match_is_refused_and_nothing_changes(
    changes, told, caplog
):
    state = a_state()
    before = bodies(state)
    text = orjson.dumps({**LANE, **changes}).decode()
    with pytest.raises(RejectedState, match=told):
        versions.check({**LANE, **changes}, RULES)
    asked = command(0, VERSIONS[0], state=text)
    change = forecast.change(0, state, [asked], is_silent=False)
    assert ({"events": []}, []) == (change.body, change.results)
    assert told in caplog.text
    assert before == bodies(state)


def test_command_that_is_none_is_told_and_changes_nothing(caplog):
    state = a_state()
    before = bodies(state)
    wrong = [
        command(0, VERSIONS[0], state="{"),
        command(1, VERSIONS[0], command="forget"),
        command(2, VERSIONS[0], version="the good one"),
    ]
    assert {"events": []} == forecast.change(0, state, wrong, is_silent=False).body
    assert 3 == caplog.text.count("of no use to the forecast")
    assert before == bodies(state)


def test_fleet_that_is_not_known_cannot_go_back(caplog):
    state = ModelsState(RULES, QUARTER)
    forecast.change(0, state, [command(0, VERSIONS[1])], is_silent=False)
    assert "nothing is known of the fleet here yet" in caplog.text


def test_large_version_is_published_in_parts_and_fits_one_command_or_none():
    text = "°" * (2 * PART_CHARACTERS_MAX + 1)
    records = [
        orjson.loads(value)
        for value in encode_version(
            "lane-1", version=1, made=2, summary={}, state=text.encode()
        )
    ]
    assert [(0, 3), (1, 3), (2, 3)] == [(r["part"], r["parts"]) for r in records]
    assert text == "".join(record["state"] for record in records)
    with pytest.raises(RejectedMessage, match="as a command, and"):
        encode_roll_back(RollBack(name="lane-1", version=1, at=3, state=5 * text))


def test_names_say_in_which_lane_models_live():
    known = names(8, (12, 24))
    assert [0, 7, 7] == [known[name] for name in ("fleet-24h", "lane-7", "lane-7-24h")]
    assert known.keys().isdisjoint({"lane-8", "lane-03", "lane-1-12h"})


# After an upgrade ------------------------------------------------------------------


def test_models_of_older_features_begin_anew_and_what_they_do_not_rest_on_stays(caplog):
    log = []
    worker = a_worker(log, 1)
    _, record = worker.fold(EVENTS[:300])
    worker.write([record, *worker.journal.snapshot()])
    older = {"weights": [0.0] * 7, "covariance": [1.0] * 28}
    log.append(poisoned(log, features="0ld", level=older, challenger={"weights": {}}))
    with caplog.at_level(logging.WARNING):
        state = a_worker(log, 1).journal.state
    assert "begin anew: the features were others (0ld)" in caplog.text
    before, after = worker.journal.state.forecaster, state.forecaster
    assert (0, before.scores.made) == (after.level.learnt, after.scores.made)
    assert before.deviations.habit.tolist() == after.deviations.habit.tolist()
    signs = 1.0, 0.5
    foretold = after.deviations.foretell_one(*signs)
    assert before.deviations.foretell_one(*signs) == foretold
    assert before.memory.levels == after.memory.levels
    assert {} == after.pending
    change = forecast.change(0, state, EVENTS[300:], is_silent=False)
    assert change.results
    assert after.level.learnt > 0


def test_state_without_a_name_of_its_features_is_of_the_first_ones():
    state = a_state()
    parts = [orjson.loads(body) for body in bodies(state) if b'"fleet"' not in body]
    del parts[0]["features"]
    lane = LaneForecast(RULES, QUARTER)
    lane.load(parts)
    assert "" == lane.forecaster.renewed
    assert checkpoint.FIRST_FEATURES == features.FINGERPRINT
