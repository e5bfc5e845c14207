import asyncio
import logging
from types import SimpleNamespace

import orjson
import pytest

from app.errors import StreamUnavailable
from app.simulator.fleet import Message
from app.simulator.publisher import Patience, Publisher

QUICK = Patience(
    acknowledgement_seconds_max=0.1,
    backoff_seconds_min=0.01,
    backoff_seconds_max=0.05,
    silence_seconds_max=30.0,
)
REFUSAL = orjson.dumps(
    {"error": {"code": 503, "description": "maximum bytes exceeded"}, "seq": 0}
)


@pytest.fixture(autouse=True)
def quick_ticks(monkeypatch):
    monkeypatch.setattr("app.simulator.publisher.TICK_SECONDS", 0.01)


class FakeStream:
    """JetStream as a publisher sees it: it stores each message id once and answers.

    behave decides on each arrival: "store", "refuse", "no stream", "garbage",
    "lose" (the message), "silence" (stored, but the acknowledgement is lost).
    """

    def __init__(self, behave=lambda _: "store"):
        self.is_connected = True
        self.behave = behave
        self.arrivals = 0
        self.stored = {}
        self.callback = None

    def new_inbox(self):
        return "_INBOX.test"

    async def subscribe(self, _, *, cb, **__):
        self.callback = cb
        return SimpleNamespace(unsubscribe=self.flush)

    async def flush(self):
        pass

    async def publish(self, subject, payload, reply, headers):
        if not self.is_connected:
            return
        self.arrivals += 1
        what = self.behave(self.arrivals)
        if what in {"store", "silence"}:
            self.stored.setdefault(headers["Nats-Msg-Id"], (subject, payload))
        data, answer_headers = {
            "store": (b'{"stream":"RAW","seq":%d}' % len(self.stored), None),
            "refuse": (REFUSAL, None),
            "garbage": (b"what?", None),
            "no stream": (b"", {"Status": "503"}),
        }.get(what, (None, None))
        if data is not None:
            answer = SimpleNamespace(subject=reply, data=data, headers=answer_headers)
            asyncio.get_running_loop().call_soon(self.answer, answer)

    def answer(self, answer):
        self.task = asyncio.ensure_future(self.callback(answer))


def some_messages(count, begin=0):
    return [
        Message("raw.data.11.1.1", str(number).encode(), number % 10 != 9)
        for number in range(begin, begin + count)
    ]


def payloads(stream):
    return [int(payload) for _, payload in stream.stored.values()]


async def test_message_counts_when_its_own_acknowledgement_has_come():
    stream = FakeStream()
    publisher = Publisher(stream, patience=QUICK)
    async with publisher.running():
        assert 100 == await publisher.publish(some_messages(100))
        assert 0 == await publisher.drain(5)
    assert (90, 10) == (publisher.tally.readings, publisher.tally.weather)
    assert list(range(100)) == payloads(stream)
    assert (0, 0, 0) == (
        publisher.tally.errors,
        publisher.tally.retried,
        len(publisher),
    )


async def test_never_more_than_the_bound_is_in_flight():
    stream = FakeStream()
    publisher = Publisher(stream, in_flight_max=16, patience=QUICK)
    highest = 0

    def behave(_):
        nonlocal highest
        highest = max(highest, len(publisher))
        return "store"

    stream.behave = behave
    async with publisher.running():
        await publisher.publish(some_messages(500))
        assert 0 == await publisher.drain(5)
    assert 16 == highest


@pytest.mark.parametrize(
    "trouble", ["refuse", "no stream", "garbage", "lose", "silence"]
)
async def test_what_was_not_acknowledged_is_sent_again_until_it_is_stored_once(trouble):
    stream = FakeStream(lambda arrival: trouble if 40 <= arrival < 75 else "store")
    publisher = Publisher(stream, in_flight_max=32, patience=QUICK)
    async with publisher.running():
        assert 200 == await publisher.publish(some_messages(200))
        assert 0 == await publisher.drain(20)
    assert 200 == publisher.tally.readings + publisher.tally.weather
    assert list(range(200)) == sorted(payloads(stream))
    assert publisher.tally.errors > 0
    assert publisher.tally.retried > 0
    assert not publisher.trouble


async def test_order_is_kept_when_everything_is_refused_for_a_while():
    stream = FakeStream(lambda arrival: "refuse" if 10 <= arrival < 50 else "store")
    publisher = Publisher(stream, in_flight_max=32, patience=QUICK)
    async with publisher.running():
        await publisher.publish(some_messages(100))
        assert 0 == await publisher.drain(20)
    assert list(range(100)) == payloads(stream)


async def test_lost_connection_holds_messages_back_and_then_repeats_those_in_flight():
    stream = FakeStream(lambda arrival: "silence" if arrival > 20 else "store")
    publisher = Publisher(stream, patience=QUICK)
    async with publisher.running():
        await publisher.publish(some_messages(30))
        stream.is_connected = False
        publisher.connection_lost()
        sending = asyncio.create_task(publisher.publish(some_messages(10, 30)))
        await asyncio.sleep(0.05)
        held_back = list(payloads(stream))
        stream.behave = lambda _: "store"
        stream.is_connected = True
        publisher.connection_restored()
        assert 10 == await asyncio.wait_for(sending, 10)
        assert 0 == await publisher.drain(10)
    assert list(range(30)) == held_back
    assert list(range(40)) == payloads(stream)
    assert 40 == publisher.tally.readings + publisher.tally.weather


async def test_stopped_publisher_takes_no_more_and_waits_for_what_is_in_flight():
    stream = FakeStream(lambda _: "silence")
    publisher = Publisher(stream, in_flight_max=10, patience=QUICK)
    async with publisher.running():
        sending = asyncio.create_task(publisher.publish(some_messages(50)))
        await asyncio.sleep(0.02)
        publisher.stop()
        assert 10 == await asyncio.wait_for(sending, 10)
        stream.behave = lambda _: "store"
        assert 0 == await publisher.drain(10)
    assert list(range(10)) == payloads(stream)


async def test_drain_gives_up_after_its_time_and_tells_how_many_are_missing():
    publisher = Publisher(FakeStream(lambda _: "lose"), patience=QUICK)
    async with publisher.running():
        await publisher.publish(some_messages(3))
        assert 3 == await publisher.drain(0.05)


async def test_silence_ends_publishing_with_one_line():
    patience = Patience(
        acknowledgement_seconds_max=0.05,
        backoff_seconds_min=0.01,
        backoff_seconds_max=0.02,
        silence_seconds_max=0.2,
    )
    publisher = Publisher(
        FakeStream(lambda _: "lose"), in_flight_max=4, patience=patience
    )
    async with publisher.running():
        with pytest.raises(StreamUnavailable) as caught:
            await asyncio.wait_for(publisher.publish(some_messages(9)), 10)
    assert "nothing was acknowledged" in str(caught.value)


async def test_idle_publisher_is_not_silent():
    patience = Patience(silence_seconds_max=0.05)
    publisher = Publisher(FakeStream(), patience=patience)
    async with publisher.running():
        await asyncio.sleep(0.2)
        assert 5 == await publisher.publish(some_messages(5))
        assert 0 == await publisher.drain(5)


async def test_trouble_is_told_once_and_its_end_too(caplog):
    caplog.set_level(logging.INFO)
    stream = FakeStream(lambda arrival: "refuse" if arrival < 35 else "store")
    publisher = Publisher(stream, patience=QUICK)
    async with publisher.running():
        await publisher.publish(some_messages(30))
        assert 0 == await publisher.drain(10)
        while publisher.trouble:
            await asyncio.sleep(0.01)
    levels = [record.levelname for record in caplog.records]
    assert ["WARNING", "INFO"] == levels
    assert "maximum bytes exceeded" in caplog.messages[0]
