import orjson
import pytest

from tables.models import rules_of
from tests.forecasts import EVENTS, LANES, expected_of, write
from tests.road import Road


@pytest.fixture
def road(kafka_server, environ_for, tmp_path):
    with Road(environ_for(kafka={"lanes": LANES}), tmp_path) as road:
        yield road


def test_what_kafka_keeps_is_tried_as_it_was_foreseen(road):
    write(road, 0.0, 1.0)
    words = ("--source", "stored", "--warm-up", "0", "--json")
    report = orjson.loads(road.command("evaluate", *words))

    states = [expected_of(lane, rules_of(road.settings))[1] for lane in EVENTS]
    assert sum(s.forecaster.scores.scored for s in states) == report["labels"]
    losses = [s.forecaster.scores.total.part("loss")[0] for s in states]
    expected = sum(losses) / report["labels"]
    assert expected == pytest.approx(report["published"]["log_loss"])


def test_nothing_kept_is_told_in_one_line(road):
    with pytest.raises(AssertionError, match="no label was scored"):
        road.command("evaluate", "--source", "stored")
