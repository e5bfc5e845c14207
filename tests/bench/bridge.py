"""How fast one bridge carries readings from JetStream into acknowledged Kafka frames.

    make bench NAME=bridge

Three measurements, each on a stream of its own: the rate over a stream that is filled
beforehand, with 56-byte payloads; the rate of a straightforward bridge (pull one,
produce it, acknowledge it) over the same kind of stream; and how long a reading takes
from its publication to a consumer of Kafka, at a steady rate.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nats
import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from nats.js.api import ConsumerConfig

from app import topics
from app.topology import Topology
from app.wire.frames import decode_frame
from app.wire.meter import encode_readings
from bridge.stream import ensure_stream
from deploy.local.process import ROOT
from tests.road import Road
from tests.servers import Servers

CARRIED = "smartmeter_bridge_readings_total"
METERS = 20_000
CHUNK = 5_000
TICK_SECONDS = 0.002


class Pour:
    """Publishes readings at the speed of the socket, without nats-py."""

    def __init__(self, topology: Topology) -> None:
        base = topology.subject
        self._subjects = [
            f"{base}.data.{1 + n % 7}.{1 + n % 211}.{1 + n // 211}".encode()
            for n in range(METERS)
        ]
        self._chooser = np.random.default_rng(5)
        self._server = topology.settings.nats.servers.rpartition("/")[2]

    async def __aenter__(self):
        host, _, port = self._server.partition(":")
        self._reader, self._writer = await asyncio.open_connection(host, int(port))
        await self._reader.readline()
        options = {"verbose": False, "pedantic": False, "lang": "x", "version": "1"}
        self._writer.write(b"CONNECT " + json.dumps(options).encode() + b"\r\n")
        self._writer.write(b"SUB _ack 1\r\n")
        return self

    async def __aexit__(self, *_):
        self._writer.close()

    def send(self, start: int, count: int, now: float, *, last_reply=b"") -> None:
        """Send readings; val3 and val4 hold the moment, whole seconds and the rest."""
        values = self._chooser.normal(116, 2, (count, 12)).round(3).astype(np.float32)
        values[:, 2], values[:, 3] = now // 1 % 1e6, now % 1
        timestamp = np.full(count, int(now) - 3_600, np.int64)
        parts = []
        for n, payload in enumerate(encode_readings(timestamp, values), start=start):
            reply = last_reply if n == start + count - 1 else b""
            subject = self._subjects[n % METERS]
            parts.append(b"PUB %s%s 56\r\n%s\r\n" % (subject, reply, payload))
        self._writer.write(b"".join(parts))

    async def fill(self, readings: int) -> None:
        """Store readings; each chunk is there before the next, or JetStream drops."""
        for start in range(0, readings, CHUNK):
            self.send(start, CHUNK, time.time(), last_reply=b" _ack")
            await self._writer.drain()
            while not (await self._reader.readline()).startswith(b"MSG"):
                pass
            await self._reader.readline()

    async def trickle(self, per_second: int, seconds: float) -> None:
        """Publish at a steady rate, a few every two milliseconds."""
        began, sent = time.monotonic(), 0
        while (passed := time.monotonic() - began) < seconds:
            due = int(passed * per_second) - sent
            if due:
                self.send(sent, due, time.time())
                sent += due
                await self._writer.drain()
            await asyncio.sleep(TICK_SECONDS)


async def pour(topology: Topology, readings: int) -> None:
    client = await nats.connect(topology.settings.nats.servers)
    await ensure_stream(client.jetstream(), topology)
    async with Pour(topology) as source:
        await source.fill(readings)
    info = await client.jetstream().stream_info(topology.stream)
    assert info.state.messages == readings, (
        f"{info.state.messages} of {readings} stored"
    )
    await client.close()


def measure_ours(road: Road, readings: int) -> dict[str, float]:
    """Return the rate of the bridge over a filled stream."""
    asyncio.run(pour(road.topology, readings))
    road.start("bridge")
    road.ready("bridge")
    first = road.wait_for(lambda: road.metric("bridge", CARRIED), "the first frame")
    process = road.processes["bridge"]
    began, spent = time.monotonic(), process.cpu_seconds
    road.wait_for(lambda: road.metric("bridge", CARRIED) >= readings, "all", 600)
    seconds = time.monotonic() - began
    spent = process.cpu_seconds - spent
    process.stop(20)
    return {
        "rate": (readings - first) / seconds,
        "cpu_microseconds": spent / (readings - first) * 1e6,
        "cpu_share": spent / seconds,
        "rows_per_frame": readings / sum(1 for _ in frames(road)),
    }


def frames(road: Road):
    for _, _, fields in road.records(road.topology.readings.name):
        if fields["sequence"]:
            yield fields


async def measure_plain(topology: Topology, seconds: float) -> dict[str, float]:
    """Return the rate of a bridge as one writes it first."""
    await topics.ensure_topics(topology.settings)
    await pour(topology, 50_000)
    client = await nats.connect(topology.settings.nats.servers)
    subscription = await client.jetstream().pull_subscribe(
        f"{topology.lane_subject}.>",
        "plain",
        stream=topology.stream,
        config=ConsumerConfig(ack_wait=30),
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=topology.settings.kafka.servers, acks="all"
    )
    await producer.start()
    began, spent, count = time.monotonic(), time.process_time(), 0
    while time.monotonic() - began < seconds:
        (message,) = await subscription.fetch(1)
        key = message.subject.encode()
        await producer.send_and_wait(topology.readings.name, message.data, key=key)
        await message.ack()
        count += 1
    took, spent = time.monotonic() - began, time.process_time() - spent
    await producer.stop()
    await client.close()
    return {"rate": count / took, "cpu_microseconds": spent / count * 1e6}


async def read_latencies(topology: Topology, seconds: float) -> np.ndarray:
    """Read the readings topic as it grows; return each reading's age on arrival."""
    consumer = AIOKafkaConsumer(
        topology.readings.name,
        bootstrap_servers=topology.settings.kafka.servers,
        auto_offset_reset="latest",
        fetch_max_wait_ms=10,
    )
    await consumer.start()
    ages = []
    ends = time.monotonic() + seconds
    try:
        while time.monotonic() < ends:
            batch = await consumer.getmany(timeout_ms=200)
            now = time.time()
            for records in batch.values():
                for record in records:
                    readings = decode_frame(record.value, extra=True).readings
                    if len(readings):
                        extra = readings.extra
                        sent = extra["val3"].astype(float) + extra["val4"]
                        ages.append((now % 1e6) - sent)
    finally:
        await consumer.stop()
    return np.concatenate(ages) if ages else np.empty(0)


def measure_latency(road: Road, per_second: int, seconds: float) -> dict[str, float]:
    """Return how long readings take to a consumer of Kafka, at a steady rate."""
    road.start("bridge")
    road.ready("bridge")
    process = road.processes["bridge"]
    words = ["--trickle", str(per_second), "--seconds", str(seconds + 2)]
    publisher = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.bridge", *words],
        cwd=ROOT,
        env=road.environ,
    )
    try:
        time.sleep(2)
        spent = process.cpu_seconds
        ages = asyncio.run(read_latencies(road.topology, seconds))
        spent = process.cpu_seconds - spent
    finally:
        publisher.wait(60)
        process.stop(20)
    return {
        "rate": len(ages) / seconds,
        "p50_milliseconds": float(np.percentile(ages, 50)) * 1e3,
        "p99_milliseconds": float(np.percentile(ages, 99)) * 1e3,
        "cpu_microseconds": spent / len(ages) * 1e6,
    }


async def trickle(topology: Topology, per_second: int, seconds: float) -> None:
    async with Pour(topology) as source:
        await source.trickle(per_second, seconds)


def measure_all(options, servers: Servers, folder: Path) -> dict[str, object]:
    servers.need("nats")
    servers.need("kafka")
    results = {}
    with Road(servers.environ("benchours"), folder / "ours") as road:
        results["ours"] = measure_ours(road, options.readings)
    with Road(servers.environ("benchplain"), folder / "plain") as road:
        results["plain"] = asyncio.run(measure_plain(road.topology, 8.0))
    with Road(servers.environ("benchlatency"), folder / "latency") as road:
        results["latency"] = measure_latency(road, options.rate, options.seconds)
    return results


def main() -> None:
    """Measure, and print one JSON line at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, default=2_000_000)
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--trickle", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.trickle:
        from app import settings

        topology = Topology(settings.load())
        asyncio.run(trickle(topology, options.trickle, options.seconds))
        return
    with tempfile.TemporaryDirectory() as name:
        servers = Servers(Path(name) / "servers")
        try:
            found = measure_all(options, servers, Path(name))
        finally:
            servers.close()
    ours, plain, latency = found["ours"], found["plain"], found["latency"]
    print(
        f"{options.readings:,} readings: {ours['rate']:,.0f}/s,"
        f" {ours['cpu_microseconds']:.2f} µs of processor time each"
        f" ({ours['cpu_share']:.0%} of a processor),"
        f" {ours['rows_per_frame']:.0f} rows a frame"
    )
    print(
        f"one message at a time: {plain['rate']:,.0f}/s,"
        f" {plain['cpu_microseconds']:.0f} µs each"
    )
    print(
        f"at {latency['rate']:,.0f}/s: published to readable in Kafka"
        f" {latency['p50_milliseconds']:.0f} ms (half),"
        f" {latency['p99_milliseconds']:.0f} ms (99 %),"
        f" {latency['cpu_microseconds']:.2f} µs each"
    )
    print(
        json.dumps(
            {
                "name": "bridge",
                "ours": round(ours["rate"]),
                "unit": "readings/s",
                "cpu_microseconds": round(ours["cpu_microseconds"], 2),
                "p99_milliseconds": round(latency["p99_milliseconds"], 1),
                "peers": {"one_at_a_time": round(plain["rate"])},
                "ratio": round(ours["rate"] / plain["rate"], 1),
            }
        )
    )


if __name__ == "__main__":
    main()
