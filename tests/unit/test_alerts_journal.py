"""The alerts agent through its journal: whoever dies, each excursion is raised once."""

from types import SimpleNamespace

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import alerts as agent
from app.domain.alert_rules import Rules
from app.domain.standards import profile
from app.errors import RejectedMessage
from app.wire.alerts import Acknowledge, decode_command, encode_alert, encode_command
from app.wire.events import encode_event
from bridge.kafka_to_nats import outgoing
from tables import alerts as table
from tables.alerts import AlertsState
from tests import mortal
from tests.alert_oracle import Limits, excursions
from tests.mortal import FATES, bodies

SIZE, START = 900, 1_700_006_400
RULES = Rules(
    size=SIZE,
    threshold=116.0,
    profile=profile("seed"),
    recent_max=4,  # so few that some are forgotten
)
LIMITS = Limits(SIZE, 116.0, -np.inf, 116.0, False, 2, 2, 0.5)
WINDOWS, COMMANDS, ALERTS = (
    topic.name
    for topic in (
        agent.topology.windows,
        agent.topology.alert_commands,
        agent.topology.alerts,
    )
)


def event(topic, offset, value):
    message = SimpleNamespace(topic=topic, partition=0, offset=offset, value=value)
    return SimpleNamespace(message=message, value=value)


def all_windows():
    """A day of three transformers that swing about the threshold."""
    for number in range(96):
        for transformer in (1, 2, 3):
            chance = np.random.default_rng([number, transformer])
            maximum = 115.7 + 2 * np.sin(number / (4 + transformer))
            maximum = float(np.float32(maximum + chance.normal(0, 0.3)))
            yield {
                "start": START + SIZE * number,
                "line": 11,
                "transformer": transformer,
                "count": 50,
                "minimum": maximum - 2,
                "maximum": maximum,
                "mean": maximum - 1,
                "usagepoint": int(chance.integers(1, 9)),
                "over": max(0, int((maximum - 116) * 5) + 1),
                "verdict": "too_high" if maximum > 116 else "normal",
            }


ALL = list(all_windows())
EXPECTED = excursions(ALL, LIMITS)
NAMES = [
    f"{line}-{transformer}-{side}-{epoch}"
    for (line, transformer, side), runs in EXPECTED.items()
    for epoch, _ in runs
]


def logs():
    """Windows, each record repeated now and then as after a crash, and commands."""
    windows, repeated = [], np.random.default_rng(5)
    for begin in range(0, len(ALL), 3):
        part = ALL[begin : begin + 3]
        if begin and not repeated.integers(4):
            windows.append(ALL[begin - 3 : begin])
        windows.append(part)
    values = [
        encode_event(
            {"lane": 0, "watermark": 0} | {n: [w[n] for w in part] for n in ALL[0]}
        )
        for part in windows
    ]
    acknowledged = [*NAMES[::2], NAMES[0], "99-9-low-5"]
    commands = [
        encode_command(Acknowledge(alert=name, at=START + number))
        for number, name in enumerate(acknowledged)
    ]
    return {WINDOWS: values, COMMANDS: commands}


LOGS = logs()


def a_worker(log, generation):
    return mortal.Worker(
        log,
        generation,
        new_state=lambda: AlertsState(RULES),
        change=lambda state, group: agent.change(0, state, group),
    )


def next_group(worker, sizes):
    group = []
    for topic, size in zip((WINDOWS, COMMANDS), sizes, strict=True):
        begin = worker.journal.offsets.get(topic, -1) + 1
        if topic == COMMANDS and worker.journal.offsets.get(WINDOWS, -1) < 100:
            continue  # a person answers what they see
        values = LOGS[topic][begin : begin + size]
        group += [event(topic, begin + n, value) for n, value in enumerate(values)]
    return group


def told(results):
    """Return events by alert and kind; repeats must be equal to the letter."""
    found = {}
    for topic, lane, value in results:
        assert (agent.topology.alerts, 0) == (topic, lane)
        fields = orjson.loads(value)
        assert value == found.setdefault((fields["alert"], fields["event"]), value)
    return found


def runs_of(found):
    """Return what was told as the oracle says it."""
    runs = {}
    for (name, kind), value in found.items():
        fields = orjson.loads(value)
        if kind == "raised":
            key = fields["line"], fields["transformer"], fields["kind"]
            end = found.get((name, "cleared"))
            end = orjson.loads(end)["at"] if end else None
            runs.setdefault(key, []).append((fields["epoch"], end))
    return {key: sorted(mine) for key, mine in runs.items()}


def run(steps):
    """Live through steps of (windows and commands, fate, snapshot)."""
    rest = [((9, 3), "lives", False)] * len(LOGS[WINDOWS])
    results, worker = mortal.live(a_worker, next_group, [*steps, *rest])
    assert len(LOGS[WINDOWS]) - 1 == worker.journal.offsets[WINDOWS]
    return told(results), worker


def test_without_a_fault_the_oracle_is_right():
    found, worker = run([])
    assert EXPECTED == runs_of(found)
    assert 9 == len(NAMES)
    assert "cleared" in {kind for _, kind in found}
    assert 4 == len(worker.journal.state.recent)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.tuples(st.integers(0, 30), st.integers(0, 3)),
            FATES,
            st.booleans(),
        ),
        min_size=3,
        max_size=30,
    )
)
def test_whoever_dies_each_excursion_is_raised_once_and_cleared_once(steps):
    found, worker = run(steps)
    assert EXPECTED == runs_of(found)
    # What was acknowledged, too, is read back, by whoever comes next.
    other = a_worker(list(worker.log), 10_000)
    assert bodies(worker.journal.state) == bodies(other.journal.state)
    known = {name for name, kind in found if kind == "acknowledged"}
    for alert in other.journal.state:
        assert (alert.name in known) == (alert.acknowledged is not None)


def test_a_large_state_is_written_in_parts(monkeypatch):
    _, worker = run([])
    monkeypatch.setattr(table, "SNAPSHOT_ALERTS_MAX", 3)
    parts = list(worker.journal.state.snapshot_bodies())
    assert len(parts) > 1
    state = AlertsState(RULES)
    state.restore_bodies(orjson.loads(orjson.dumps(parts)))
    assert list(worker.journal.state) == list(state)


def test_event_of_no_use_is_told_and_changes_nothing(caplog):
    state = AlertsState(RULES)
    bad = [
        event(WINDOWS, 0, encode_event({"start": [1]})),
        event(WINDOWS, 1, b"{"),
        event(COMMANDS, 0, encode_event({"command": "delete", "alert": "x", "at": 1})),
        event(COMMANDS, 1, encode_event({"command": "acknowledge", "alert": "x"})),
        event(COMMANDS, 2, b'{"v":1,"command":"acknowledge","alert":"x","at":1e999}'),
    ]
    change = agent.change(0, state, bad)
    assert ([], []) == (change.body["alerts"], change.results)
    assert 5 == caplog.text.count("of no use to the alerts")


def test_a_command_survives_the_wire():
    command = Acknowledge(alert="11-3-low-1700006400", at=5)
    assert command == decode_command(encode_command(command))
    with pytest.raises(RejectedMessage):
        decode_command(encode_event({"command": "acknowledge", "alert": 3, "at": 1}))


def test_nats_gets_the_seeds_subject_epoch_and_count():
    found, _ = run([])
    value = next(v for (_, kind), v in found.items() if kind == "raised")
    fields = orjson.loads(value)
    (message,) = outgoing(agent.topology, ALERTS, 0, fields)
    subject = f"smartmeter.voltage.extract.alert.11.{fields['transformer']}"
    assert f"{subject}.{fields['usagepoint']}" == message.subject
    assert (f"alert-{fields['alert']}-raised", "alert") == (
        message.identity,
        message.kind,
    )
    assert {
        "epoch": fields["epoch"],
        "count": fields["over"],
        "voltage": fields["voltage"],
        "event": "raised",
        "alert": fields["alert"],
        "kind": "high",
        "at": fields["epoch"] + SIZE,
    } == orjson.loads(message.payload)
    assert message.payload == encode_alert(fields)
