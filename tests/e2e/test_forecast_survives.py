"""Workers are killed and lanes change hands in mid-learning: the forecast stays."""

import pytest

from tables.models import rules_of
from tests.forecasts import EVENTS, LANES, WINDOWS, expected_of, write
from tests.road import Road

MADE = "smartmeter_forecast_predictions_made_total"
SCORED = "smartmeter_forecast_predictions_scored_total"


@pytest.fixture
def road(kafka_server, environ_for, tmp_path):
    environ = environ_for(kafka={"lanes": LANES, "journal_bytes_min": 20_000})
    with Road(environ, tmp_path) as road:
        yield road


def foreseen(road):
    """Return what was published, by lane and target; repeats must be equal."""
    found = {}
    for lane, _, fields in road.records(road.topology.predictions.name):
        target = fields["epoch"][0]
        assert fields == found.setdefault((lane, target), fields)
    return found


def test_forecast_is_the_same_though_workers_are_killed_and_lanes_change_hands(road):
    write(road, 0.0, 0.4)
    road.start("worker-1")
    road.ready("worker-1")
    road.wait_for(lambda: len(foreseen(road)) > 0.3 * LANES * WINDOWS, "a first share")
    road.start("worker-2")  # one of the lanes goes over
    write(road, 0.4, 0.6)
    road.wait_for(lambda: len(foreseen(road)) > 0.45 * LANES * WINDOWS, "the second")
    road.ready("worker-2")
    road.processes["worker-1"].kill()  # and comes back, in the middle of its work
    write(road, 0.6, 0.9)
    road.wait_for(lambda: len(foreseen(road)) > 0.8 * LANES * WINDOWS, "the third")
    road.start("worker-1")
    road.ready("worker-1")
    road.processes["worker-2"].kill()
    write(road, 0.9, 1.0)

    expected, made, scored = {}, 0, 0
    for lane in EVENTS:
        predictions, state = expected_of(lane, rules_of(road.settings))
        expected |= {(lane, fields["epoch"][0]): fields for fields in predictions}
        made += state.forecaster.scores.made
        scored += state.forecaster.scores.scored
    road.wait_for(lambda: len(foreseen(road)) >= len(expected), "every prediction", 120)
    assert expected == foreseen(road)

    road.ready("worker-1")
    road.wait_for(lambda: road.metric("worker-1", MADE) == made, f"{made} made")
    road.wait_for(lambda: road.metric("worker-1", SCORED) == scored, f"{scored} scored")
