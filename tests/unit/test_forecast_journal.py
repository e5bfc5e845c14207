"""The forecast agent through its journal: whoever dies, it foresees the same."""

import logging
from collections import Counter
from types import SimpleNamespace

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import forecast
from app.errors import StateDiverged
from app.predictor.online import Rules
from app.wire.events import encode_event
from tables.models import ModelsState
from tests import mortal
from tests.mortal import FATES, bodies

QUARTER, HALF_DAY = 900, 43_200
START = 1_700_006_400
RULES = Rules(size=QUARTER, lead=HALF_DAY, threshold=116.0)
WINDOWS, WEATHER, FLEET, COMMANDS = (
    topic.name
    for topic in (
        forecast.topology.windows,
        forecast.topology.weather,
        forecast.topology.fleet_windows,
        forecast.topology.model_commands,
    )
)


def event(topic, offset, fields):
    message = SimpleNamespace(
        topic=topic, partition=0, offset=offset, value=encode_event(fields)
    )
    return SimpleNamespace(message=message, value=message.value)


def events():
    """A day and a half of two transformers: weather, then what closed."""
    logs = {WINDOWS: 0, WEATHER: 0, FLEET: 0}

    def next_event(topic, fields):
        logs[topic] += 1
        return event(topic, logs[topic] - 1, fields)

    for number in range(146):
        chance = np.random.default_rng(number)
        epoch = START + QUARTER * number
        celsius = float(10 * np.sin(number / 30))
        for kind, hours in (("temperature", 0), ("forecast", 12)):
            fields = {
                "kind": kind,
                "epoch": epoch + hours * 3_600,
                "celsius": celsius + hours,
                "hours": hours,
                "sequence": 10 * number + hours,
            }
            yield next_event(WEATHER, fields)
        if number < 2:
            continue
        maximum = 116 + 2 * np.sin(number / 15) + chance.normal(0, 0.1, 2)
        columns = {
            "lane": 0,
            "watermark": epoch,
            "start": [epoch - 2 * QUARTER] * 2,
            "line": [11, 11],
            "transformer": [1, 2],
            "minimum": maximum - 2,
            "maximum": maximum,
            "mean": maximum - 1,
            "usagepoint": [1, 1],  # of no use to a forecast
        }
        yield next_event(WINDOWS, columns)
        highest = [maximum.max()]
        volts = dict.fromkeys(("minimum", "maximum", "mean"), highest)
        key = {"start": columns["start"][:1], "line": [0], "transformer": [0]}
        yield next_event(FLEET, {**columns, **key, **volts})


def command(offset, published, **changes):
    """A person's word to go back to a version that was published."""
    fields = {name: published[name] for name in ("name", "version", "state")}
    return event(
        COMMANDS, offset, {"command": "roll-back", "at": 5, **fields, **changes}
    )


def events_with_commands():
    """The same, and after a while everybody goes back to the first version."""
    before = list(events())
    state = ModelsState(RULES, QUARTER)
    results = forecast.change(0, state, before, is_silent=False).results
    versions = [
        orjson.loads(value)
        for topic, _, value in results
        if topic == forecast.topology.model_versions
    ]
    assert ["lane-0", "fleet"] == [version["name"] for version in versions]
    for number, version in enumerate(versions):
        assert (0, 1) == (version["part"], version["parts"])
        before.insert(-30 + 15 * number, command(number, version))
    return before, versions


EVENTS, VERSIONS = events_with_commands()


def a_worker(log, generation):
    return mortal.Worker(
        log,
        generation,
        new_state=lambda: ModelsState(RULES, QUARTER),
        change=lambda state, group: forecast.change(0, state, group, is_silent=False),
    )


def next_group(worker, size):
    offsets = worker.journal.offsets
    after = [e for e in EVENTS if e.message.offset > offsets.get(e.message.topic, -1)]
    return after[:size]


def foreseen(results):
    """Return predictions by line and target; repeats must be equal to the letter.

    And versions by their names and numbers.
    """
    found = {}
    for topic, lane, value in results:
        assert 0 == lane
        fields = orjson.loads(value)
        if topic == forecast.topology.model_versions:
            key = fields["name"], fields["version"]
        else:
            assert forecast.topology.predictions == topic
            key = fields["line"][0], fields["epoch"][0]
        assert value == found.setdefault(key, value)
    return found


def uninterrupted():
    worker = a_worker([], 1)
    results, _ = worker.fold(EVENTS)
    return foreseen(results), worker.journal.state


EXPECTED, STATE = uninterrupted()


def test_every_window_is_foreseen_from_once():
    lines = Counter(line for line, _ in EXPECTED)
    assert {0: 144, 11: 144, "lane-0": 1, "fleet": 1} == lines
    for lane, transformers in ((STATE, 2), (STATE.fleet, 1)):
        assert transformers * 144 == lane.forecaster.scores.made
        assert transformers * (144 - 48) == lane.forecaster.scores.scored


def test_prediction_says_what_the_topic_documents():
    first = orjson.loads(EXPECTED[11, START + HALF_DAY])
    assert {
        "v": 1,
        "lane": 0,
        "made": START + 2 * QUARTER,
        "hours": 12,
        "threshold": 116.0,
        "temperature": 12.0,
        "epoch": [START + HALF_DAY] * 2,
        "line": [11, 11],
        "transformer": [1, 2],
        "probability": first["probability"],
        "alert": [p >= 0.5 for p in first["probability"]],
    } == first


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 60),
            FATES,
            st.booleans(),
        ),
        min_size=5,
        max_size=40,
    )
)
def test_whoever_dies_the_predictions_are_the_same_and_nothing_is_learnt_twice(steps):
    rest = [(50, "lives", False)] * (len(EVENTS) // 50 + 1)
    results, worker = mortal.live(a_worker, next_group, [*steps, *rest])
    assert EXPECTED == foreseen(results)
    assert bodies(STATE) == bodies(worker.journal.state)


def test_event_of_no_use_is_told_and_changes_nothing(caplog):
    state = ModelsState(RULES, QUARTER)
    before = bodies(state)
    bad = [
        event(WINDOWS, 0, {"watermark": 1, "start": [0]}),
        event(WEATHER, 0, {"kind": "forecast", "epoch": "tomorrow"}),
        SimpleNamespace(
            value=b"{", message=SimpleNamespace(topic=WINDOWS, partition=0, offset=1)
        ),
    ]
    change = forecast.change(0, state, bad, is_silent=True)
    assert ({"events": []}, []) == (change.body, change.results)
    assert before == bodies(state)
    assert 3 == caplog.text.count("of no use to the forecast")


# A poisoned checkpoint -------------------------------------------------------------


def poisoned(log, **changes):
    """Return the last snapshot of a log as a stranger's, with its models changed."""
    record = orjson.loads(
        next(
            value
            for value in reversed(log)
            if b'"snapshot"' in value and b'"part":0' in value
        )
    )
    record |= {"term": record["term"] + 1, "owner": "stranger", "parts": 1}
    record["body"] |= changes
    return orjson.dumps(record)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"v": 99}, "version 99 is not known"),
        ({"level": {"weights": [None]}}, "models: weights"),
        ({"rules": None}, "models: lead is missing"),
        ({"champion": "os.system"}, "no model is called"),
    ],
)
def test_poisoned_checkpoint_is_refused_and_the_one_before_is_used(
    changes, told, caplog
):
    log = []
    worker = a_worker(log, 1)
    _, record = worker.fold(EVENTS[:100])
    worker.write([record])
    expected = bodies(worker.journal.state)
    log.append(poisoned(log, **changes))
    with caplog.at_level(logging.ERROR):
        other = a_worker(log, 1)
    assert told in caplog.text
    assert "the state before it is kept" in caplog.text
    assert expected == bodies(other.journal.state)
    assert worker.journal.offsets == other.journal.offsets
    # Its own snapshot outranks the poison, for whoever reads next.
    assert expected == bodies(a_worker(log, 1).journal.state)


def test_owner_whose_snapshot_is_refused_is_followed_where_the_state_is_the_same():
    log = []
    a_worker(log, 1)
    owner = a_worker(log, 1)
    log[-1] = log[-1].replace(b'"champion":"regression"', b'"champion":"chance"')
    _, record = owner.fold(EVENTS[:100])
    owner.write([record])
    assert bodies(owner.journal.state) == bodies(a_worker(log, 1).journal.state)


def test_poisoned_checkpoint_with_none_before_it_stops_the_worker():
    log = []
    a_worker(log, 1)
    with pytest.raises(StateDiverged, match=r"none before it.*version 99"):
        a_worker([poisoned(log, v=99)], 1)
