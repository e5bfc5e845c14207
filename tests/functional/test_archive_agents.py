"""The archive agents in process: a sink in memory that refuses, or is away."""

import asyncio
import base64

import orjson
import pytest

from agents import archive as agents
from app.archive import app
from app.sinks.memory import MemorySink
from app.sinks.tables import RAW_DATA
from tests.rows import a_raw_row, raw_columns


@pytest.fixture
async def sink(monkeypatch):
    sink = MemorySink(refuse=lambda _, row: "too wild" * (row["usagepoint"] == 2))
    monkeypatch.setattr(app, "sink", sink, raising=False)
    await sink.start()
    return sink


@pytest.fixture
def letters(monkeypatch):
    found = []

    async def publish(results):
        found.extend((topic, orjson.loads(value)) for topic, _, value in results)

    monkeypatch.setattr(app, "publish", publish)
    return found


async def test_refused_row_becomes_a_dead_letter_and_its_neighbours_are_stored(
    sink, letters
):
    rows = raw_columns([a_raw_row(usagepoint=n, voltage=110.0 + n) for n in (1, 2, 3)])

    await agents._store(RAW_DATA, rows)

    stored = {row["usagepoint"] for row in sink.tables["raw_data"].values()}
    assert {1, 3} == stored
    ((topic, letter),) = letters
    assert app.topology.dead_letters == topic
    assert ("row_refused", "too wild") == (letter["reason"], letter["detail"])
    assert f"{app.topology.keyspace}.raw_data" == letter["subject"]
    row = orjson.loads(base64.b64decode(letter["payload"]))
    assert (2, 112.0, 45) == (row["usagepoint"], row["voltage"], row["minute"])


async def test_store_waits_for_a_sink_that_is_away(sink, letters):
    rows = raw_columns([a_raw_row()])
    sink.away = True
    storing = asyncio.ensure_future(agents._store(RAW_DATA, rows))
    async with asyncio.timeout(10):
        while app.ready() != "the sink is away":
            await asyncio.sleep(0.01)
    assert not storing.done()

    sink.away = False
    async with asyncio.timeout(10):
        await storing

    assert 1 == len(sink.tables["raw_data"])
    assert "away" not in app.ready()
    assert [] == letters
