"""The simulator against a real JetStream: what it says is what the stream holds."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from contextlib import asynccontextmanager

import nats
import pytest
from nats.js.api import AckPolicy, ConsumerConfig

from app import settings
from app.simulator.simulation import Options, simulate
from app.topology import Topology
from app.wire.limits import Limits
from app.wire.meter import RawMessage, ReadingDecoder
from app.wire.weather import decode_weather
from bridge.stream import ensure_stream
from deploy.local import ports
from deploy.local.stack import Stack

SECONDS_MAX = 60
START = 1_637_539_200


@asynccontextmanager
async def a_stream(loaded):
    """Make the stream as the bridge does, and remove it at the end."""
    client = await nats.connect(loaded.nats.servers)
    jetstream, topology = client.jetstream(), Topology(loaded)
    await ensure_stream(jetstream, topology)
    yield jetstream
    await jetstream.delete_stream(topology.stream)
    await client.close()


async def stored(jetstream, topology):
    """Return all messages of the stream."""
    consumer = await jetstream.pull_subscribe(
        "", stream=topology.stream, config=ConsumerConfig(ack_policy=AckPolicy.NONE)
    )
    total = (await jetstream.stream_info(topology.stream)).state.messages
    found = []
    while len(found) < total:
        for message in await consumer.fetch(min(500, total - len(found)), timeout=10):
            arrival = message.metadata.timestamp.timestamp()
            sequence = message.metadata.sequence.stream
            found.append(RawMessage(message.subject, message.data, sequence, arrival))
    await consumer.unsubscribe()
    return found


def readings_of(messages, topology):
    """Return the readings among messages, each one decoded without a rejection."""
    decoder = ReadingDecoder(topology.lane_subject, Limits())
    decoded = decoder.decode(
        [each for each in messages if each.subject.startswith(topology.lane_subject)]
    )
    assert [] == decoded.rejected
    return decoded.readings


def reports(readings):
    """Count how often each meter reported each epoch."""
    return Counter(
        zip(
            readings.timestamp.tolist(),
            readings.line.tolist(),
            readings.transformer.tolist(),
            readings.usagepoint.tolist(),
            strict=True,
        )
    )


def command(environ, *arguments):
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(settings.PREFIX)
    }
    return subprocess.Popen(
        [sys.executable, "-m", "app", "simulate", *arguments],
        env={**inherited, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ignore(_):
    pass


async def test_every_meter_reports_every_epoch_exactly_once(nats_server, settings_for):
    loaded = settings_for()
    topology = Topology(loaded)
    async with a_stream(loaded) as jetstream:
        options = Options(unpaced=True, meters=500, cycles=4, port=0, start=START)
        summary = await simulate(loaded, options, ignore)
        messages = await stored(jetstream, topology)

    readings = readings_of(messages, topology)
    counted = reports(readings)
    assert (4 * 497, 8, 0) == (
        summary.published,
        summary.weather,
        summary.unacknowledged,
    )
    assert {1} == set(counted.values())
    assert {
        (START + 900 * cycle, 11, transformer, usagepoint)
        for cycle in range(4)
        for transformer in range(1, 8)
        for usagepoint in range(1, 72)
    } == set(counted)
    weather = [
        decode_weather(each, topology.subject, Limits())
        for each in messages
        if not each.subject.startswith(topology.lane_subject)
    ]
    assert ["temperature", "forecast"] * 4 == [each.kind for each in weather]


async def test_simulators_started_one_by_one_share_the_time_and_no_meter(
    nats_server, settings_for
):
    loaded = settings_for()
    topology = Topology(loaded)
    async with a_stream(loaded) as jetstream:
        for slot in (1, 2):
            options = Options(unpaced=True, meters=50, cycles=3, port=0, slot=slot)
            await simulate(loaded, options, ignore)
        readings = readings_of(await stored(jetstream, topology), topology)
    first, second = (
        readings.timestamp[readings.line == 10 * slot + 1] for slot in (1, 2)
    )
    assert len(readings) == len(first) + len(second)
    assert first.max() + 900 == second.min()


async def test_household_publishes_measured_volts(nats_server, settings_for):
    loaded = settings_for()
    topology = Topology(loaded)
    async with a_stream(loaded) as jetstream:
        options = Options(
            unpaced=True,
            meters=50,
            cycles=2,
            port=0,
            source="household",
            profile="mixed",
        )
        summary = await simulate(loaded, options, ignore)
        readings = readings_of(await stored(jetstream, topology), topology)
    assert summary.published == len(readings)
    assert 220 < readings.voltage.min() < readings.voltage.max() < 260


async def test_sigterm_stops_waits_for_acknowledgements_and_prints_a_summary(
    nats_server, settings_for, environ_for
):
    loaded = settings_for()
    topology = Topology(loaded)
    port = next(ports.free())
    async with a_stream(loaded) as jetstream:
        process = command(environ_for(), "--rate", "500", "--port", str(port))
        try:
            shown = await asyncio.to_thread(wait_for_readings, port)
            process.send_signal(signal.SIGTERM)
            output, errors = await asyncio.to_thread(process.communicate, None, 30)
        finally:
            process.kill()
        info = await jetstream.stream_info(topology.stream)
    summary = json.loads(output.splitlines()[-1])
    assert (0, "") == (process.returncode, errors)
    assert summary["published"] + summary["weather"] == info.state.messages
    assert summary["published"] >= shown > 0
    assert 0 == summary["unacknowledged"]


def get(port, path):
    url = f"http://127.0.0.1:{port}{path}"
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


def wait_for_readings(port):
    """Poll /metrics until readings are published and /ready says so."""
    deadline = time.monotonic() + SECONDS_MAX
    name = 'smartmeter_simulator_readings_published_total{slot="1"} '
    while time.monotonic() < deadline:
        try:
            page = get(port, "/ready") and get(port, "/metrics")
        except OSError:  # not up, or not ready
            page = ""
        for line in page.splitlines():
            if line.startswith(name) and float(line.removeprefix(name)):
                return float(line.removeprefix(name))
        time.sleep(0.1)
    raise AssertionError("no reading was published")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--wait", "0.5", "--port", "0"], 1, "start the bridge"),
        (["--slot", "300000000", "--port", "0"], 2, "a slot is from 1 to"),
        (["--start", "2999-01-01T00:00:00Z", "--port", "0"], 2, "in the past"),
        (["--start", "yesterday", "--port", "0"], 2, "RFC 3339"),
    ],
)
async def test_what_cannot_be_is_told_in_one_line(
    nats_server, settings_for, environ_for, arguments, code, words
):
    loaded = settings_for()
    if code == 2:
        async with a_stream(loaded):
            process = command(environ_for(), *arguments)
            output, errors = await asyncio.to_thread(process.communicate, None, 60)
    else:
        process = command(environ_for(), *arguments)
        output, errors = await asyncio.to_thread(process.communicate, None, 60)
    assert code == process.returncode, output
    assert words in errors.splitlines()[-1]
    assert "Traceback" not in errors


async def test_no_server_is_told_in_one_line_without_its_password(environ_for):
    port = next(ports.free())
    environ = environ_for(nats={"servers": f"nats://meter:secret@127.0.0.1:{port}"})
    process = command(environ, "--wait", "1", "--port", "0")
    output, errors = await asyncio.to_thread(process.communicate, None, 60)
    assert 1 == process.returncode
    assert "SMARTMETER_NATS__SERVERS" in errors
    assert "secret" not in output + errors


async def test_full_stream_holds_readings_back_until_there_is_room(
    nats_server, settings_for
):
    loaded = settings_for(nats={"stream_bytes_max": 1 << 20})
    topology = Topology(loaded)
    refused = asyncio.Event()
    async with a_stream(loaded) as jetstream:

        def watch(summary):
            if summary.errors:
                refused.set()

        options = Options(unpaced=True, meters=2_000, cycles=8, port=0, start=START)
        running = asyncio.create_task(simulate(loaded, options, watch))
        await asyncio.wait_for(refused.wait(), SECONDS_MAX)
        kept = []
        while not running.done():  # carry away what is stored, as the bridge does
            kept += await carry_away(jetstream, topology)
            await asyncio.sleep(0.2)
        summary = await running
        kept += await carry_away(jetstream, topology)
    readings = readings_of(kept, topology)
    assert summary.published == len(readings) == 8 * summary.meters
    assert {1} == set(reports(readings).values())


async def carry_away(jetstream, topology):
    found = await stored(jetstream, topology)
    if found:
        await jetstream.purge_stream(topology.stream, seq=found[-1].sequence + 1)
    return found


@pytest.mark.parametrize("fault", ["kill", "pause"])
async def test_server_that_goes_away_costs_no_reading_and_doubles_none(
    tmp_path, namespace, fault
):
    with Stack(tmp_path, usual_ports=False).running("nats") as stack:
        loaded = settings.load(stack.environ(namespace))
        topology = Topology(loaded)
        async with a_stream(loaded):
            pass  # the server and its settings are in order
        client = await nats.connect(loaded.nats.servers)
        await ensure_stream(client.jetstream(), topology)
        flowing = asyncio.Event()
        options = Options(unpaced=True, meters=2_000, cycles=60, port=0, start=START)
        running = asyncio.create_task(
            simulate(loaded, options, lambda _: flowing.set())
        )
        await asyncio.wait_for(flowing.wait(), SECONDS_MAX)
        assert not running.done()
        getattr(stack, fault)("nats")
        await asyncio.sleep(1)
        if fault == "kill":
            await asyncio.to_thread(stack.start, "nats")
        else:
            stack.resume("nats")
        summary = await asyncio.wait_for(running, SECONDS_MAX)
        readings = readings_of(await stored(client.jetstream(), topology), topology)
        await client.close()
    assert (60, 0) == (summary.cycles, summary.unacknowledged)
    assert summary.published == len(readings) == 60 * summary.meters
    assert {1} == set(reports(readings).values())
