"""Connecting: what is wrong is said in one line, and by the right error."""

import asyncio
import socket
import struct
from contextlib import asynccontextmanager

import pytest

from app import settings
from app.errors import SettingsError, SinkUnavailable
from app.sinks import session as sessions

HEADER = struct.Struct(">BBhBi")
ERROR, STARTUP, AUTHENTICATE, OPTIONS, SUPPORTED = 0x00, 0x01, 0x03, 0x05, 0x06
BAD_CREDENTIALS = 0x0100
UNSUPPORTED = "Invalid or unsupported protocol version (5); supported: (4/v4)"


def text(value):
    return struct.pack(">H", len(value)) + value.encode()


def answer(opcode):
    """Answer as a node with PasswordAuthenticator that knows nobody."""
    if opcode == OPTIONS:
        options = {"CQL_VERSION": "3.4.7", "COMPRESSION": "lz4"}
        named = (text(k) + struct.pack(">H", 1) + text(v) for k, v in options.items())
        return SUPPORTED, struct.pack(">H", len(options)) + b"".join(named)
    if opcode == STARTUP:
        return AUTHENTICATE, text("org.apache.cassandra.auth.PasswordAuthenticator")
    return ERROR, struct.pack(">i", BAD_CREDENTIALS) + text("bad credentials")


@asynccontextmanager
async def node_that_knows_nobody():
    async def talk(reader, writer):
        try:
            while True:
                header = await reader.readexactly(HEADER.size)
                version, _, stream, opcode, length = HEADER.unpack(header)
                await reader.readexactly(length)
                if version > 4:  # protocol 5 frames its messages otherwise
                    code, body = ERROR, struct.pack(">i", 0x000A) + text(UNSUPPORTED)
                else:
                    code, body = answer(opcode)
                writer.write(HEADER.pack(0x84, 0, stream, code, len(body)) + body)
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def archive(port, **values):
    environ = {
        settings.variable("archive", name): str(value)
        for name, value in {"port": port, "timeout_seconds": 3, **values}.items()
    }
    return settings.load(environ).archive


@pytest.mark.parametrize("user", [{"username": "meter", "password": "sesame"}, {}])
async def test_refused_user_is_a_wrong_setting_and_no_secret_is_shown(user):
    async with node_that_knows_nobody() as port:
        with pytest.raises(SettingsError) as caught:
            await asyncio.to_thread(sessions.connect, archive(port, **user))
    assert "SMARTMETER_ARCHIVE__USERNAME: " in str(caught.value)
    assert "refuses this user or its password" in str(caught.value)
    assert "sesame" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_port_where_nobody_listens_is_unavailable():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SinkUnavailable, match=f"127.0.0.1, port {port}") as caught:
        sessions.connect(archive(port))
    assert "\n" not in str(caught.value)


def test_host_that_does_not_exist_is_unavailable():
    with pytest.raises(SinkUnavailable, match=r"no\.such\.host\.invalid") as caught:
        sessions.connect(archive(9042, contact_points="no.such.host.invalid"))
    assert "\n" not in str(caught.value)
