"""The short road of pulled messages, byte by byte; the rest goes to nats-py."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.errors import ProtocolError

from bridge.link import Inbox, LinkParser

ACK = b"$JS.ACK.RAW.lane-3.1.5.5.1700000000000000000.0"


class RecordingClient:
    """Stands for nats-py's client: notes what its parser hands over."""

    def __init__(self):
        self.messages = []
        self.pings = 0
        self.errors = []

    async def _process_msg(self, number, subject, reply, body, headers):
        self.messages.append((number, subject, reply, body, headers))

    async def _process_ping(self):
        self.pings += 1

    async def _process_err(self, text):
        self.errors.append(text)


def a_parser():
    client = RecordingClient()
    parser = LinkParser(client)
    statuses = []
    parser.inboxes[b"7"] = inbox = Inbox(statuses.append)
    return parser, client, inbox, statuses


def message(number, payload, reply=ACK, headers=b""):
    subject = b"smartmeter.lane.3.11.2.71"
    words = [subject, b"%d" % number, *([reply] if reply else [])]
    if headers:
        sizes = b"%d %d" % (len(headers), len(headers) + len(payload))
        line = b"HMSG " + b" ".join([*words, sizes])
        return line + b"\r\n" + headers + payload + b"\r\n"
    return b"MSG " + b" ".join([*words, b"%d" % len(payload)]) + b"\r\n%s\r\n" % payload


HEADERS = b"NATS/1.0\r\nNats-Msg-Id: 11.2.71\r\n\r\n"
STATUS = b"NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 9\r\n\r\n"
payloads = st.binary(max_size=80) | st.just(b"MSG a 7 1\r\nx\r\n") | st.just(b"\r\n")


@given(
    st.lists(st.tuples(payloads, st.booleans()), max_size=12),
    st.lists(st.integers(1, 400), max_size=12),
)
def test_messages_arrive_whole_however_the_bytes_are_cut(given_messages, cuts):
    parser, client, inbox, statuses = a_parser()
    stream = b""
    for payload, with_headers in given_messages:
        stream += message(7, payload, headers=HEADERS if with_headers else b"")
        stream += b"PING\r\n" + message(8, payload, reply=b"")
    stream += message(7, b"", reply=b"", headers=STATUS)

    asyncio.run(parse(parser, stream, cuts))

    expected = [payload for payload, _ in given_messages]
    assert expected == [payload for _, _, payload in inbox.messages]
    assert {ACK} >= {reply for _, reply, _ in inbox.messages}
    assert expected == [body for _, _, _, body, _ in client.messages]
    assert (len(given_messages), [STATUS]) == (client.pings, statuses)


async def parse(parser, stream, cuts):
    at = 0
    for cut in cuts:
        await parser.parse(stream[at : at + cut])
        at += cut
    await parser.parse(stream[at:])


async def test_messages_of_other_subscriptions_keep_their_headers_and_reply():
    parser, client, _, _ = a_parser()
    await parser.parse(message(8, b"answer", reply=b"", headers=HEADERS))
    await parser.parse(message(9, b"question", reply=b"back"))
    assert [
        (8, b"smartmeter.lane.3.11.2.71", b"", b"answer", HEADERS),
        (9, b"smartmeter.lane.3.11.2.71", b"back", b"question", None),
    ] == client.messages


async def test_error_of_the_server_reaches_the_client():
    parser, client, _, _ = a_parser()
    await parser.parse(b"-ERR 'Authorization Violation'\r\n")
    assert ["'authorization violation'"] == client.errors


async def test_anybodys_message_to_the_inbox_is_not_taken_for_the_streams():
    parser, _, inbox, statuses = a_parser()
    await parser.parse(message(7, b"x", reply=b"") + message(7, b"x", reply=b"me"))
    assert ([], []) == (inbox.messages, statuses)


async def test_reader_is_called_once_enough_is_there():
    parser, _, inbox, _ = a_parser()
    calls = []
    inbox.call_at(3, lambda: calls.append(len(inbox.messages)))
    await parser.parse(message(7, b"a") * 2)
    assert [] == calls
    await parser.parse(message(7, b"a") * 2)
    assert [4] == calls


@pytest.mark.parametrize(
    "line",
    [b"MSG a 7 x\r\n", b"MSG\r\n", b"HMSG a 7 r 1\r\nx\r\n", b"MSG " + b"a" * 70_000],
)
async def test_line_that_is_none_ends_the_connection(line):
    parser, _, _, _ = a_parser()
    with pytest.raises(ProtocolError):
        await parser.parse(line)


async def test_half_a_message_is_forgotten_with_its_connection():
    parser, _, inbox, _ = a_parser()
    await parser.parse(message(7, b"lost")[:-4])
    parser.reset()
    await parser.parse(message(7, b"new"))
    assert [b"new"] == [payload for _, _, payload in inbox.messages]
