"""Results of groups that are on their way together reach Kafka in their order."""

import asyncio
from types import SimpleNamespace

from app.worker import SmartMeter


class Slow:
    """A channel of which a topic's first send waits, as for the topic's leader."""

    def __init__(self):
        self.values = []
        self.known = asyncio.Event()

    async def send(self, value, **_):
        if value == "first":
            await self.known.wait()
        self.values.append(value)
        acknowledged = asyncio.get_running_loop().create_future()
        acknowledged.set_result(None)
        return acknowledged


async def test_group_is_not_overtaken_by_the_next_one():
    channel = Slow()
    app = SimpleNamespace(channel_for=lambda _: channel, _one_by_one=asyncio.Lock())
    groups = [
        asyncio.ensure_future(SmartMeter.publish(app, [("topic", 0, value)]))
        for value in ("first", "second", "third")
    ]
    await asyncio.sleep(0)
    channel.known.set()
    await asyncio.gather(*groups)
    assert ["first", "second", "third"] == channel.values
