"""A bridge that carries nothing, though all answers, says so at /live."""

import json
import secrets
from http import HTTPStatus

import nats
import pytest

from app.wire.meter import encode_reading
from bridge.stream import lane_consumer
from tests.road import Road

LANE = 4  # of line 11, transformer 3


@pytest.fixture
def road(nats_server, kafka_server, servers, tmp_path):
    environ = servers.environ(f"t{secrets.token_hex(6)}")
    environ["SMARTMETER_BRIDGE__STALLED_SECONDS"] = "4"
    with Road(environ, tmp_path) as road:
        yield road


def live(road):
    """Return what /live of the bridge says; empty while all is well."""
    status, text = road.pages.ask(road.ports["bridge"], "/live")
    if status == HTTPStatus.OK:
        assert "ok\n" == text
        return ""
    return f"{status} {text}"


async def pause_consumer(road, until):
    """Let JetStream deliver nothing to a lane, and be silent about it."""
    client = await nats.connect(road.settings.nats.servers)
    subject = f"$JS.API.CONSUMER.PAUSE.{road.topology.stream}.{lane_consumer(LANE)}"
    answer = await client.request(subject, json.dumps({"pause_until": until}).encode())
    assert "error" not in json.loads(answer.data)
    await client.close()


async def test_lane_that_gets_nothing_fails_live_and_progress_mends_it(road):
    road.start("bridge")
    road.ready("bridge")
    assert "" == live(road)
    await pause_consumer(road, "2099-01-01T00:00:00Z")
    await road.publish_async([("data.11.3.1", encode_reading(1_700_000_000, 110.0))])
    trouble = road.wait_for(lambda: live(road), "/live to fail", 40)
    assert trouble.startswith(f"503 lane {LANE}: 1 messages wait, none was carried for")
    assert "No progress" in road.log("bridge")

    await pause_consumer(road, "2001-01-01T00:00:00Z")
    road.wait_for(lambda: not live(road), "/live to be well again", 40)
