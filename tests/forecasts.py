"""A few days of windows and weather, as the bridge and the windows agent write them."""

import asyncio
from dataclasses import asdict
from types import SimpleNamespace

import orjson
from aiokafka import AIOKafkaProducer

from agents import forecast
from app.domain.readings import lane_of
from app.simulator.closed import generated
from app.simulator.population import counts, meters
from app.simulator.voltage import Options
from app.wire.events import encode_event
from tables.models import ModelsState

LANES, SIZE, GRACE = 2, 900, 900
WINDOWS = 240
START = 1_700_438_400


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
    foreseen = [
        orjson.loads(value)
        for topic, _, value in change.results
        if topic == forecast.topology.predictions
    ]
    return foreseen, state


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
