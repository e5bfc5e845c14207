"""A pull notices at once what would break the order of a lane."""

from datetime import UTC, datetime

import orjson
import pytest
from nats.js.api import ConsumerConfig, ConsumerInfo

from bridge.pull import OrderBroken, Pull

INFO = ConsumerInfo(
    name="lane-3",
    stream_name="RAW",
    config=ConsumerConfig(),
    created=datetime.now(UTC),
    num_pending=0,
)


class FakeLink:
    """A connection whose server says what the test lets it say."""

    def __init__(self):
        self.is_connected = True
        self.is_closed = False
        self.requests = []
        self.inbox = None

    def new_inbox(self):
        return "_INBOX.x"

    async def open_inbox(self, _, inbox):
        self.inbox = inbox
        return 7

    async def close_inbox(self, _):
        self.inbox = None

    async def publish(self, _, payload, reply):
        assert reply == self.new_inbox()
        self.requests.append(orjson.loads(payload)["batch"])

    def deliver(self, *numbers, pending=0):
        for number in numbers:
            reply = (
                f"$JS.ACK.RAW.lane-3.1.{100 + number}.{number}.17{'0' * 17}.{pending}"
            )
            self.inbox.messages.append((b"s", reply.encode(), b"%d" % number))
        self.inbox.arrived()

    def say(self, status, *headers):
        lines = [f"NATS/1.0 {status}", *headers, "", ""]
        self.inbox.on_status("\r\n".join(lines).encode())


@pytest.fixture
async def link():
    return FakeLink()


@pytest.fixture
async def pull(link):
    async with Pull(link, INFO, ahead=10) as pull:
        yield pull


async def take(pull, most=10):
    return await pull.take(most, first_seconds=0.01, more_seconds=0.01)


async def test_messages_come_as_columns_in_order(link, pull):
    link.deliver(1, 2, 3, pending=40)
    messages, replies = await take(pull, most=2)
    assert ([101, 102], 40) == (messages.sequence.tolist(), pull.pending)
    assert replies[-1].startswith(b"$JS.ACK.RAW.lane-3.1.102.2.")
    messages, _ = await take(pull)
    assert [b"3"] == list(messages.payloads)


@pytest.mark.parametrize("numbers", [(2,), (1, 3), (1, 1), (1, 2, 2, 3), (2, 1)])
async def test_number_that_does_not_follow_breaks_the_order(link, pull, numbers):
    link.deliver(*numbers)
    with pytest.raises(OrderBroken):
        await take(pull)


async def test_where_order_does_not_matter_no_number_breaks_it(link):
    async with Pull(link, INFO, ahead=10, ordered=False) as pull:
        link.deliver(5, 2)
        messages, _ = await take(pull)
        assert [105, 102] == messages.sequence.tolist()


async def test_more_is_asked_for_when_half_is_used_and_never_more_than_ahead(
    link, pull
):
    await take(pull)
    assert [10] == link.requests
    link.deliver(1, 2, 3, 4)
    await take(pull)
    await take(pull)
    assert [10] == link.requests
    link.deliver(5)
    await take(pull)
    await take(pull)
    assert [10, 5] == link.requests


async def test_request_that_ended_unfilled_is_made_again(link, pull):
    await take(pull)
    link.say(
        "408 Request Timeout", "Nats-Pending-Messages: 10", "Nats-Pending-Bytes: 0"
    )
    await take(pull)
    assert [10, 10] == link.requests


@pytest.mark.parametrize(
    "status",
    ["409 Consumer Deleted", "409 Leadership Change", "503", "400 Bad Request"],
)
async def test_word_of_the_server_that_ends_the_pull_breaks_it_off(link, pull, status):
    await take(pull)
    link.say(status)
    with pytest.raises(OrderBroken, match=status[:3]):
        await take(pull)


async def test_lost_connection_breaks_it_off(link, pull):
    link.is_connected = False
    with pytest.raises(OrderBroken):
        await take(pull)


async def test_silent_server_breaks_it_off(link, pull, monkeypatch):
    await take(pull)
    monkeypatch.setattr("bridge.pull.SILENCE_SECONDS_MAX", 0.001)
    with pytest.raises(OrderBroken, match="does not answer"):
        await take(pull)


async def test_lane_counts_as_drained_only_on_fresh_word_of_the_server(
    link, pull, monkeypatch
):
    await take(pull)
    link.say("100 Idle Heartbeat", "Nats-Last-Consumer: 0")
    assert pull.is_drained
    monkeypatch.setattr("bridge.pull.FRESH_SECONDS_MAX", -1.0)
    assert not pull.is_drained


async def test_lane_with_messages_left_is_not_drained(link, pull):
    link.deliver(1, pending=3)
    await take(pull)
    assert not pull.is_drained
