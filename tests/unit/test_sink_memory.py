"""The sink in memory keeps the contract of sinks."""

from types import SimpleNamespace

import pytest

from app.errors import SinkUnavailable
from app.sinks.memory import MemorySink
from tests.contracts.sink_contract import REFUSED_NAME, SinkContract


class TestMemorySink(SinkContract):
    @pytest.fixture
    async def harness(self):
        sink = MemorySink(
            refuse=lambda _, row: "too long" * (row.get("name") == REFUSED_NAME)
        )
        await sink.start()

        async def read(table):
            return list(sink.tables.get(table.name, {}).values())

        return SimpleNamespace(sink=sink, read=read)


async def test_sink_that_is_away_says_so():
    sink = MemorySink()
    sink.away = True
    with pytest.raises(SinkUnavailable):
        await sink.start()
