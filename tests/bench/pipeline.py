"""The whole road on one machine: what it sustains, how fresh it is, what it costs.

    make bench NAME=pipeline

Simulator, the three servers, bridge, live worker and archive worker. First a steady
rate for some minutes: lags are to stay flat, and afterwards every reading that was
published is to be counted and to be a row in Cassandra. Then a lower rate, during which
probes are published: readings of a transformer of their own, each of a voltage that the
transformer's page, open as a browser has it, is seen to show. In between, the stored
rows are compared with the frames by count and checksum, and the batches run over them.
"""

import argparse
import asyncio
import contextlib
import json
import secrets
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import nats
import numpy as np
import psutil

from app.domain.readings import EXTRA_COLUMNS
from app.wire.meter import encode_readings
from deploy.local.process import Process, spawn
from tests.archived import Archived
from tests.bench.ledger import averages_of_cassandra, of_cassandra, of_kafka
from tests.servers import Servers

SERVERS = ("nats", "kafka", "cassandra")
STAGES = ("bridge", "worker", "archive")
LAGS = {
    "live": ("worker", "smartmeter_live_lag_frames"),
    "archive": ("archive", "smartmeter_archive_lag_records"),
}
SAMPLE_SECONDS = 2.0
DRAIN_SECONDS_MAX = 120
WARM_SECONDS = 10.0
PROBE_LINE, PROBE_TRANSFORMER = 9_001, 1
PROBE_SECONDS_MAX = 10.0
FLOAT32_VOLTS = 2e-5  # what a float32 near 120 V can be away from the exact mean


@dataclass
class Simulator:
    """A simulator that was asked for a rate."""

    process: Process
    log: Path

    def summary(self) -> dict[str, int]:
        """Let it end, and return what it published."""
        self.process.stop(30)
        return json.loads(self.log.read_text().splitlines()[-1])


def simulate(road: Archived, rate: int, slot: int) -> Simulator:
    log = road.folder / f"simulator-{slot}.log"
    words = ["simulate", "--rate", str(rate), "--slot", str(slot), "--port", "0"]
    process = spawn(
        [sys.executable, "-m", "app", *words], log=log, environ=road.environ
    )
    return Simulator(process, log)


class Sampler:
    """What the processes have done and spent, now and then."""

    def __init__(self, road: Archived, servers: Servers, simulator: Simulator) -> None:
        self.road = road
        self.pids = {name: servers.stack.process(name).pid for name in SERVERS}
        self.pids |= {name: road.processes[name].pid for name in STAGES}
        self.pids["simulator"] = simulator.process.pid

    def spent(self) -> dict[str, float]:
        times = {n: psutil.Process(pid).cpu_times() for n, pid in self.pids.items()}
        return {name: time.user + time.system for name, time in times.items()}

    def sample(self) -> dict[str, float]:
        road = self.road
        counted = road.metric("worker", "smartmeter_live_readings_counted_total")
        rows = road.metric("archive", "smartmeter_archive_rows_total")
        lags = {name: road.metric(*where) for name, where in LAGS.items()}
        return {"at": time.monotonic(), "counted": counted, "rows": rows, **lags}

    def during(self, seconds: float) -> list[dict[str, float]]:
        samples = [self.sample()]
        while samples[-1]["at"] - samples[0]["at"] < seconds:
            time.sleep(SAMPLE_SECONDS)
            samples.append(self.sample())
            if len(samples) % 15 == 0:
                say(samples)
        return samples


def rate(samples: list[dict[str, float]], name: str) -> float:
    first, last = samples[0], samples[-1]
    return (last[name] - first[name]) / (last["at"] - first["at"])


def say(samples: list[dict[str, float]]) -> None:
    last = samples[-1]
    print(
        f"{last['at'] - samples[0]['at']:5.0f} s: {rate(samples, 'counted'):8,.0f}"
        f" readings/s counted, {rate(samples, 'rows'):8,.0f} rows/s stored;"
        f" behind: live {last['live']:,.0f}, archive {last['archive']:,.0f} frames",
        flush=True,
    )


def sustain(
    road: Archived, servers: Servers, per_second: int, seconds: float
) -> dict[str, object]:
    """Return rates, lags and costs at a steady rate, and what is lost: nothing."""
    simulator = simulate(road, per_second, 1)
    sampler = Sampler(road, servers, simulator)
    road.wait_for(lambda: sampler.sample()["rows"], "the first rows")
    time.sleep(WARM_SECONDS)
    before = sampler.spent()
    samples = sampler.during(seconds)
    after = sampler.spent()
    say(samples)
    readings = samples[-1]["counted"] - samples[0]["counted"]
    published = simulator.summary()["published"]

    def all_stored() -> bool:
        return road.metric("archive", "smartmeter_archive_rows_total") >= published

    def all_counted() -> bool:
        counted = road.metric("worker", "smartmeter_live_readings_counted_total")
        return counted + late(road) >= published

    road.wait_for(all_counted, "all readings to be counted", DRAIN_SECONDS_MAX)
    road.wait_for(all_stored, "all readings to be stored", DRAIN_SECONDS_MAX)
    thirds = np.array_split(samples, 3)
    return {
        "readings_per_second": round(rate(samples, "counted")),
        "published": published,
        "counted": round(
            road.metric("worker", "smartmeter_live_readings_counted_total")
        ),
        "late": round(late(road)),
        "lag_frames_by_third": {
            name: [statistics.median(s[name] for s in third) for third in thirds]
            for name in LAGS
        },
        "cpu_microseconds": {
            name: round((after[name] - spent) / readings * 1e6, 1)
            for name, spent in before.items()
        },
    }


def late(road: Archived) -> float:
    return road.metric("worker", "smartmeter_live_readings_late_total")


def account(road: Archived, published: int) -> dict[str, int]:
    """Compare raw_data with the frames in Kafka, by partition; return the figures.

    Then the batches: their averages are to be those of the frames, in bounded memory,
    and what was streamed is to be what is stored.
    """
    kafka = road.settings.kafka.servers
    topic = road.topology.readings
    archive, keyspace = road.settings.archive, road.topology.keyspace
    framed = asyncio.run(of_kafka(kafka, topic.name, topic.partitions))
    stored = of_cassandra(archive, keyspace)
    differ = framed.differences(stored)
    assert not differ, f"{len(differ)} partitions differ: {sorted(differ)[:5]}"
    assert published == len(framed) == len(stored), (published, len(framed))
    print(
        f"{len(stored):,} rows in {len(stored.partitions):,} partitions: counts and"
        " checksums equal those of the frames in Kafka",
        flush=True,
    )
    seconds, megabytes, _ = batch(road, "averages")
    means = {k: total / count for k, (count, _, total) in framed.partitions.items()}
    found = averages_of_cassandra(archive, keyspace)
    assert means.keys() == found.keys(), (len(means), len(found))
    worst = max(abs(found[key] - mean) for key, mean in means.items())
    assert worst < FLOAT32_VOLTS, worst
    _, verify_megabytes, said = batch(road, "verify")
    assert "No difference." in said, said
    return {
        "raw_data": len(stored),
        "partitions": len(stored.partitions),
        "averages_seconds": round(seconds, 1),
        "averages_megabytes": round(megabytes),
        "verify_megabytes": round(verify_megabytes),
    }


def batch(road: Archived, word: str) -> tuple[float, float, str]:
    """Run a batch; return its seconds, its largest resident memory and its words."""
    log = road.folder / f"batch-{word}.log"
    began = time.monotonic()
    process = spawn(
        [sys.executable, "-m", "app", "batch", word], log=log, environ=road.environ
    )
    most = 0
    while process.alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            most = max(most, process.resident_bytes)
        time.sleep(0.05)
    seconds = time.monotonic() - began
    said = log.read_text()
    assert process.exit_code == 0, said[-2_000:]
    print(f"batch {word}: {seconds:.0f} s, {most / 1e6:.0f} MB", flush=True)
    return seconds, most / 1e6, said


async def freshness(road: Archived, seconds: float) -> list[float]:
    """Return how long probes took from their publication to the open page, seconds."""
    url = f"http://127.0.0.1:{road.ports['worker']}/api/v1"
    key = f"{PROBE_LINE}/{PROBE_TRANSFORMER}"
    client = await nats.connect(road.settings.nats.servers)
    jetstream = client.jetstream()
    chooser = np.random.default_rng(3)
    took: list[float] = []
    async with aiohttp.ClientSession() as session:

        async def publish(number: int) -> tuple[float, float]:
            async with session.get(f"{url}/overview") as answer:
                lanes = (await answer.json())["lanes"]
            watermark = max(lane["watermark_epoch_seconds"] or 0 for lane in lanes)
            values = np.zeros((1, 1 + len(EXTRA_COLUMNS)), np.float32)
            values[0, 0] = voltage = 100 + number / 64
            (payload,) = encode_readings(np.array([watermark]), values)
            subject = f"{road.topology.subject}.data.{PROBE_LINE}.{PROBE_TRANSFORMER}.1"
            began = time.monotonic()
            await jetstream.publish(subject, payload)
            return voltage, began

        await publish(0)
        await asyncio.sleep(2)
        headers = {"Accept": "text/event-stream"}
        timeout = aiohttp.ClientTimeout(total=None, sock_read=PROBE_SECONDS_MAX)
        page = f"{url}/transformers/{key}"
        async with session.get(page, headers=headers, timeout=timeout) as stream:
            await anext(_answers(stream))
            ends = time.monotonic() + seconds
            number = 0
            while time.monotonic() < ends:
                number += 1
                await asyncio.sleep(chooser.uniform(0.05, 0.25))
                voltage, began = await publish(number)
                async for answer in _answers(stream):
                    if voltage in {w["maximum_volts"] for w in answer["windows"]}:
                        break
                took.append(time.monotonic() - began)
    await client.close()
    return took


async def _answers(stream: aiohttp.ClientResponse):
    name = b""
    async for line in stream.content:
        if line.startswith(b"event: "):
            name = line[7:].strip()
        elif line.startswith(b"data: ") and name == b"answer":
            yield json.loads(line[6:])


def main() -> None:
    """Run the road, measure, and print one JSON line at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=15_000, help="readings per second")
    parser.add_argument("--seconds", type=float, default=330.0)
    parser.add_argument("--probe-rate", type=int, default=5_000)
    parser.add_argument("--probe-seconds", type=float, default=60.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        servers = Servers(Path(name) / "servers")
        try:
            for server in SERVERS:
                servers.need(server)
            environ = servers.environ(f"b{secrets.token_hex(6)}")
            with Archived(environ, Path(name)) as road:
                for stage in STAGES:
                    road.start(stage)
                road.ready(*STAGES)
                found = sustain(road, servers, options.rate, options.seconds)
                found |= account(road, found["published"])
                simulator = simulate(road, options.probe_rate, 2)
                time.sleep(WARM_SECONDS)
                took = asyncio.run(freshness(road, options.probe_seconds))
                simulator.summary()
        finally:
            servers.close()
    half, most = np.percentile(np.array(took) * 1e3, [50, 99])
    print(f"{len(took)} probes: {half:.0f} ms (half), {most:.0f} ms (99 %)")
    print(
        json.dumps(
            {
                "name": "pipeline",
                "ours": found.pop("readings_per_second"),
                "unit": "readings/s",
                "visible_p50_milliseconds": round(half),
                "visible_p99_milliseconds": round(most),
                **found,
                "peers": {},
            }
        )
    )


if __name__ == "__main__":
    main()
