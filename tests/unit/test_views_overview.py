"""The cluster's figures are those of its lanes, and say what is missing."""

import numpy as np
import orjson
import pytest

from app.predictor.online import Forecaster
from app.predictor.tally import ROWS, Scored
from app.views.overview import checked_overview, local_overview, merge_overviews
from app.views.presentation import encode
from app.views.sampling import Sampler
from tables.models import rules_of
from tests.fake_worker import FIRST_START, FakeWorker, windows_of

SIZE = 900
ONE, TWO = "http://one:6066", "http://two:6066"


def a_window(line, transformer, maximum):
    return (line, transformer, 10, 110.0, 112.0, maximum, 1, 0)


@pytest.fixture
def one():
    fake = FakeWorker(url=ONE, owned=[0, 1], environ={"SMARTMETER_KAFKA__LANES": "4"})
    for state in fake.states.values():
        state.recent.is_filled = True
    return fake


@pytest.fixture
def two():
    fake = FakeWorker(url=TWO, owned=[2, 3], environ={"SMARTMETER_KAFKA__LANES": "4"})
    for state in fake.states.values():
        state.recent.is_filled = True
    return fake


def overview(fake):
    sampler = Sampler(fake.worker)
    sampler.sample(fake.ends)
    return checked_overview(orjson.loads(encode(local_overview(fake.worker, sampler))))


def merged(*fakes, silent=None, owners=None):
    return merge_overviews(
        [overview(fake) for fake in fakes],
        owners=owners or {ONE: [0, 1], TWO: [2, 3]},
        silent=silent or {},
        lanes=4,
    )


def advance(fake, lane, volts, *, starts=4, line=11):
    for number in range(starts):
        start = FIRST_START + number * SIZE
        rows = windows_of(start, a_window(line, 1, volts + number))
        fake.add(lane, rows, watermark=start + SIZE - 1)


def test_totals_add_up_over_all_workers(one, two):
    for lane in (0, 1):
        advance(one, lane, 112)
    for lane in (2, 3):
        advance(two, lane, 113)
    totals = merged(one, two)["totals"]
    assert 4 * 4 * 10 == totals["readings_counted"]
    # Closed: those whose end lies a grace before the watermark.
    assert (4 * 2, 4 * 2) == (totals["windows_open"], totals["windows_closed"])
    assert FIRST_START + 4 * SIZE - 1 == totals["watermark_epoch_seconds"]
    assert 0 == totals["watermark_spread_seconds"]


def test_the_fleet_maximum_is_that_of_the_last_window_that_all_lanes_closed(one, two):
    advance(one, 0, 112, starts=6)
    advance(one, 1, 111, starts=6)
    advance(two, 2, 114)
    advance(two, 3, 113)
    whole = merged(one, two)
    assert [
        {"epoch_seconds": FIRST_START, "maximum_volts": 114.0},
        {"epoch_seconds": FIRST_START + SIZE, "maximum_volts": 115.0},
    ] == whole["fleet_maxima"]
    assert whole["fleet_maxima"][-1] == whole["latest_maximum"]


@pytest.mark.parametrize("what", ["is missing", "has no watermark", "is read back"])
def test_nothing_is_final_while_a_lane(one, two, what):
    for lane in (0, 1):
        advance(one, lane, 112)
    advance(two, 2, 113)
    if what != "has no watermark":
        advance(two, 3, 113)
    if what == "is read back":
        two.states[3].recent.is_filled = False
    whole = merged(one) if what == "is missing" else merged(one, two)
    assert [] == whole["fleet_maxima"]
    assert whole["latest_maximum"] is None


def test_a_worker_that_does_not_answer_is_named_with_its_lanes(one):
    whole = merged(one, silent={TWO: "cannot be reached"})
    assert {
        "lanes": [2, 3],
        "workers": [{"url": TWO, "reason": "cannot be reached"}],
    } == whole["missing"]
    assert {
        "url": TWO,
        "phase": None,
        "lanes": [2, 3],
        "trouble": "cannot be reached",
        "rebalances_count": None,
        "started_epoch_seconds": None,
        "resident_bytes": None,
    } == whole["workers"][1]


def test_a_lane_that_two_workers_claim_counts_once(one, two):
    advance(one, 0, 112)
    two.states[0] = one.states[0]
    two.offsets[0], two.ends[0] = 0, 0
    whole = merged(one, two)
    assert 40 == whole["totals"]["readings_counted"]
    assert [0, 1, 2, 3] == [lane["lane"] for lane in whole["lanes"]]


def test_a_cluster_without_readings_has_no_watermark_and_no_maximum(one, two):
    totals = merged(one, two)["totals"]
    assert totals["watermark_epoch_seconds"] is None
    assert totals["watermark_spread_seconds"] is None
    assert 0 == totals["readings_counted"]


def a_forecaster(fake, labels=(), foreseen=(), same=()):
    """Scores of one window start: what came, what was published, what was then."""
    forecaster = Forecaster(rules_of(fake.settings))
    found = forecaster.scores
    if not labels:
        return forecaster
    found.made = 10
    found.add(
        FIRST_START,
        Scored(
            probability=np.tile(np.array(foreseen, float), (len(ROWS), 1)),
            label=np.array(labels, bool),
            same=np.array(same, bool),
            alert=np.array(foreseen) > 0.5,
            lead=43_200.0,
        ),
    )
    return forecaster


def test_the_forecast_is_right_as_often_as_over_all_lanes_beside_same_as_now(one, two):
    one.forecasts[0] = a_forecaster(
        one, [1, 1, 0, 0], [0.9, 0.8, 0.1, 0.7], [1, 0, 0, 1]
    )
    two.forecasts[3] = a_forecaster(two, [1], [0.9], [0])
    forecast = merged(one, two)["forecast"]
    assert (20, 5, 5) == (
        forecast["predictions_made"],
        forecast["predictions_scored"],
        forecast["week_scored"],
    )
    assert (4 / 5, 2 / 5) == (
        forecast["accuracy_share"],
        forecast["baseline_accuracy_share"],
    )


def test_a_forecast_that_is_not_due_yet_has_no_accuracy(one):
    one.forecasts[0] = a_forecaster(one)
    assert merged(one)["forecast"]["accuracy_share"] is None


def test_there_is_no_forecast_while_its_lanes_are_not_ready(one, two):
    one.forecasts = two.forecasts = {}
    assert merged(one, two)["forecast"] is None


@pytest.mark.parametrize("field", ["worker", "lanes"])
def test_an_answer_of_another_build_is_refused(one, field):
    answer = overview(one)
    del answer[field]
    with pytest.raises(KeyError):
        checked_overview(answer)
