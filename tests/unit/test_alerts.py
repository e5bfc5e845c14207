"""Alerts against an oracle that was written without them, and case by case."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.alert_rules import ClosedRows, Rules, Side
from app.domain.alerts import EventKind, LaneAlerts, State, parse_name
from app.domain.standards import profile
from tests.alert_oracle import Limits, excursions

SIZE, START = 900, 1_700_006_400
EN = profile("en50160")
SEED = profile("seed")


def rules(standard=SEED, **changes):
    return Rules(size=SIZE, threshold=standard.inner.high, profile=standard, **changes)


def limits_of(rule):
    return Limits(
        size=SIZE,
        threshold=rule.threshold,
        low=rule.profile.inner.low,
        high=rule.profile.inner.high,
        by_mean=rule.profile.judges == "mean",
        over_min=rule.readings_over_min,
        clear_windows=rule.clear_windows,
        margin=rule.clear_margin,
    )


def a_window(number, transformer=1, *, maximum=110.0, over=0, **changes):
    fields = {
        "start": START + SIZE * number,
        "line": 11,
        "transformer": transformer,
        "count": 50,
        "minimum": maximum - 2,
        "maximum": maximum,
        "mean": maximum - 1,
        "usagepoint": 7,
        "over": over,
        "verdict": "too_high" if over else "normal",
    }
    return fields | changes


def rows(*windows):
    names = windows[0] if windows else a_window(0)
    return ClosedRows.from_columns({n: [w[n] for w in windows] for n in names})


def take(alerts, *windows):
    return alerts.take(rows(*windows))


def kinds(events):
    return [event.kind for event in events]


RAISED, ACKNOWLEDGED, CLEARED = EventKind


# Case by case ----------------------------------------------------------------------


def test_alert_names_its_worst_meter_and_what_it_crossed():
    (event,) = take(LaneAlerts(rules()), a_window(0, maximum=117.5, over=2))
    alert = event.alert
    assert (RAISED, f"11-1-high-{START}") == (event.kind, alert.name)
    assert (7, 117.5, 116.0) == (alert.usagepoint, alert.voltage, alert.limit)
    assert (START, START + SIZE) == (alert.epoch, alert.raised)
    assert State.RAISED is alert.state


def test_one_reading_over_raises_nothing_and_is_not_calm():
    alerts = LaneAlerts(rules())
    assert [] == take(alerts, a_window(0, maximum=117.0, over=1))
    take(alerts, a_window(1, maximum=117.0, over=2))
    one = [a_window(n, maximum=116.5, over=1) for n in range(2, 9)]
    assert [] == take(alerts, *one)
    assert 1 == len(alerts.open)


def test_alert_clears_after_calm_windows_in_a_row_and_keeps_its_peak():
    alerts = LaneAlerts(rules())
    take(alerts, a_window(0, maximum=117.0, over=2))
    take(alerts, a_window(1, maximum=119.0, over=3, usagepoint=9))
    assert [] == take(alerts, a_window(2))
    (event,) = take(alerts, a_window(3))
    alert = event.alert
    assert (CLEARED, START + 4 * SIZE) == (event.kind, alert.cleared)
    assert (119.0, 9, START + SIZE, 2) == (
        alert.peak,
        alert.peak_usagepoint,
        alert.peak_epoch,
        alert.windows,
    )
    assert {} == alerts.open
    assert State.CLEARED is alerts.find(alert.name).state


@pytest.mark.parametrize(("maximum", "cleared"), [(115.5, True), (115.6, False)])
def test_calm_is_inside_by_the_margin(maximum, cleared):
    alerts = LaneAlerts(rules())
    take(alerts, a_window(0, maximum=117.0, over=2))
    events = take(alerts, *(a_window(n, maximum=maximum) for n in (1, 2)))
    assert ([CLEARED] if cleared else []) == kinds(events)


def test_window_that_is_missing_is_not_calm():
    alerts = LaneAlerts(rules(clear_windows=3))
    take(alerts, a_window(0, maximum=117.0, over=2))
    assert [] == take(alerts, a_window(1), a_window(2), a_window(4), a_window(5))
    assert [CLEARED] == kinds(take(alerts, a_window(6)))


def test_excursion_that_begins_again_is_another_alert():
    alerts = LaneAlerts(rules(clear_windows=1))
    over = [a_window(n, maximum=117.0, over=2) for n in (0, 2)]
    events = take(alerts, over[0], a_window(1), over[1])
    assert [RAISED, CLEARED, RAISED] == kinds(events)
    assert 2 == len({event.alert.name for event in events})


def test_low_voltage_is_judged_by_the_standard_and_names_no_meter():
    low = a_window(0, maximum=210.0, mean=205.0, minimum=190.0, verdict="low")
    (event,) = take(LaneAlerts(rules(EN)), low)
    alert = event.alert
    assert (Side.LOW, 0, 190.0, 207.0) == (
        alert.side,
        alert.usagepoint,
        alert.voltage,
        alert.limit,
    )


def test_verdict_on_a_mean_raises_without_a_count():
    high = a_window(0, maximum=254.0, mean=253.5, verdict="too_high")
    (event,) = take(LaneAlerts(rules(EN)), high)
    assert (Side.HIGH, 253.0) == (event.alert.side, event.alert.limit)


def test_windows_that_come_again_change_nothing():
    alerts = LaneAlerts(rules(clear_windows=1))
    windows = [a_window(0, maximum=117.0, over=2), a_window(1), a_window(1, 2)]
    take(alerts, *windows)
    before = list(alerts)
    assert [] == take(alerts, *windows)
    assert before == list(alerts)


def test_an_acknowledgement_counts_once_and_also_after_the_end():
    alerts = LaneAlerts(rules(clear_windows=1))
    (event,) = take(alerts, a_window(0, maximum=117.0, over=2))
    name = event.alert.name
    assert [] == alerts.acknowledge("11-1-high-1", 5)
    assert [] == alerts.acknowledge("what?", 5)
    assert [ACKNOWLEDGED] == kinds(alerts.acknowledge(name, 5))
    assert [] == alerts.acknowledge(name, 6)
    assert (5, State.ACKNOWLEDGED) == (
        alerts.find(name).acknowledged,
        alerts.find(name).state,
    )
    (raised,) = take(alerts, a_window(0, 2, maximum=117.0, over=2))
    take(alerts, a_window(1), a_window(1, 2))
    assert State.CLEARED is alerts.find(name).state
    assert [ACKNOWLEDGED] == kinds(alerts.acknowledge(raised.alert.name, 7))


def test_only_so_many_cleared_alerts_are_kept_the_newest():
    alerts = LaneAlerts(rules(clear_windows=1, recent_max=3))
    for number in range(0, 20, 2):
        take(alerts, a_window(number, maximum=117.0, over=2), a_window(number + 1))
    epochs = [alert.epoch for alert in alerts.recent.values()]
    assert [START + SIZE * number for number in (14, 16, 18)] == epochs


@pytest.mark.parametrize(
    "change",
    [
        {"mean": [math.nan]},
        {"over": []},
        {"start": "soon"},
        {"line": [[1]]},
    ],
)
def test_record_that_holds_no_windows_is_refused(change):
    columns = {name: [value] for name, value in a_window(0).items()}
    with pytest.raises((TypeError, ValueError)):
        ClosedRows.from_columns(columns | change)


@pytest.mark.parametrize(
    "name", ["", "11-1-high", "11-1-over-5", "11-1-high-5\n", "\u0661-1-low-5"]
)
def test_name_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match="an alert is called"):
        parse_name(name)


# Against the oracle ----------------------------------------------------------------

VOLTS = st.sampled_from([100.0, 115.4, 115.5, 116.0, 116.1, 118.0, 126.0, 130.0])
WINDOWS = st.lists(
    st.builds(
        lambda number, transformer, maximum, drop, over: a_window(
            number,
            transformer,
            maximum=maximum,
            mean=maximum - drop,
            minimum=maximum - 2 * drop,
            over=over,
        ),
        st.integers(0, 14),
        st.integers(1, 3),
        VOLTS,
        st.sampled_from([0.0, 0.5, 5.0, 13.0]),
        st.integers(0, 3),
    ),
    unique_by=lambda w: (w["start"], w["transformer"]),
    max_size=45,
)
RULES = st.builds(
    rules,
    st.sampled_from([SEED, profile("ansi-c84.1")]),
    readings_over_min=st.integers(1, 3),
    clear_windows=st.integers(1, 4),
    clear_margin=st.sampled_from([0.0, 0.5, 3.0]),
)


@given(WINDOWS, RULES, st.lists(st.integers(1, 20), max_size=6))
def test_each_excursion_is_raised_and_cleared_once_as_the_oracle_says(
    windows, rule, cuts
):
    windows = sorted(windows, key=lambda w: (w["start"], w["transformer"]))
    alerts, events = LaneAlerts(rule), []
    places = sorted({0, len(windows), *(c for c in cuts if c < len(windows))})
    for begin, end in pairwise(places):
        if begin:
            events += take(alerts, *windows[begin - 1 : end])  # one comes again
        else:
            events += take(alerts, *windows[begin:end])
    found = {}
    for event in events:
        alert = event.alert
        runs = found.setdefault((alert.line, alert.transformer, str(alert.side)), [])
        if event.kind is RAISED:
            runs.append((alert.epoch, None))
        else:
            assert runs.pop() == (alert.epoch, None)
            runs.append((alert.epoch, alert.cleared))
    assert excursions(windows, limits_of(rule)) == found
    still = {(11, t, s): runs[-1] for (_, t, s), runs in found.items()}
    opened = {(11, key & 0xFF, str(side)) for key, side in alerts.open}
    assert {key for key, (_, end) in still.items() if end is None} == opened
