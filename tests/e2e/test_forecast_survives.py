"""Workers are killed and lanes change hands in mid-learning: the forecast stays."""

import asyncio
from dataclasses import asdict
from types import SimpleNamespace

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from agents import forecast
from app.domain.readings import lane_of
from app.simulator.closed import generated
from app.simulator.population import counts, meters
from app.simulator.voltage import Options
from app.wire.events import encode_event
from tables.models import ModelsState, rules_of
from tests.road import Road

LANES, SIZE, GRACE = 2, 900, 900
WINDOWS = 240
START = 1_700_438_400
MADE = "smartmeter_forecast_predictions_made_total"
SCORED = "smartmeter_forecast_predictions_scored_total"


def events_of(lane):
    """Return a lane's logs as the bridge and the windows agent would write them."""
    fleet = meters(counts(500), slot=1)
    written = []
    for closed in generated(fleet, Options(seed=7, bias=True), start=START, size=SIZE):
        if closed.start == START + WINDOWS * SIZE:
            return written
        columns = closed.columns
        rows = [
            row
            for row, (line, transformer) in enumerate(
                zip(columns["line"], columns["transformer"], strict=True)
            )
            if lane_of(line, transformer, LANES) == lane
        ]
        for said in closed.weather:
            kind = "forecast" if said.hours else "temperature"
            written.append(("weather", {"kind": kind, **asdict(said)}))
        windows = {name: values[rows] for name, values in columns.items()}
        watermark = closed.start + SIZE + GRACE
        written.append(("windows", {"lane": lane, "watermark": watermark, **windows}))
    return written


EVENTS = {lane: events_of(lane) for lane in range(LANES)}


def expected_of(lane, rules):
    """Return the predictions of a run that nothing interrupts, and its state."""
    state = ModelsState(rules, GRACE)
    names = {"weather": forecast.topology.weather, "windows": forecast.topology.windows}
    taken = [
        SimpleNamespace(
            value=encode_event(fields),
            message=SimpleNamespace(topic=names[word].name, partition=lane, offset=n),
        )
        for n, (word, fields) in enumerate(EVENTS[lane])
    ]
    change = forecast.change(lane, state, taken, is_silent=True)
    return [orjson.loads(value) for _, _, value in change.results], state


@pytest.fixture
def road(kafka_server, environ_for, tmp_path):
    environ = environ_for(kafka={"lanes": LANES, "journal_bytes_min": 20_000})
    with Road(environ, tmp_path) as road:
        yield road


def write(road, share_from, share_to):
    """Write a share of every lane's events."""

    async def send():
        producer = AIOKafkaProducer(
            bootstrap_servers=road.settings.kafka.servers, enable_idempotence=True
        )
        await producer.start()
        try:
            for lane, events in EVENTS.items():
                part = slice(int(share_from * len(events)), int(share_to * len(events)))
                for word, fields in events[part]:
                    topic = getattr(road.topology, word).name
                    value = encode_event(fields)
                    await producer.send(topic, value, partition=lane)
            await producer.flush()
        finally:
            await producer.stop()

    asyncio.run(send())


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
