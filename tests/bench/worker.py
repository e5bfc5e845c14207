"""How fast one live worker turns frames in Kafka into durable windows.

    make bench NAME=worker

A topic is filled first; then one worker reads it from the beginning. The rate is taken
between two looks at what its durable state has counted, so that start and recovery do
not count for or against it.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.process import ROOT, spawn
from tests.bench.fill import ROWS, fill, fill_messages, frames
from tests.road import Road
from tests.servers import Servers

COUNTED = "smartmeter_live_readings_counted_total"


def measure(road: Road, readings: int) -> dict[str, float]:
    """Return the rate of a worker over a filled topic."""
    road.start("worker")
    road.ready("worker")
    first = road.wait_for(lambda: road.metric("worker", COUNTED), "the first group")
    began = time.monotonic()
    process = road.processes["worker"]
    spent = process.cpu_seconds

    def counted() -> bool:
        return road.metric("worker", COUNTED) >= readings

    road.wait_for(counted, "all readings to be counted", 600)
    seconds = time.monotonic() - began
    spent = process.cpu_seconds - spent
    windows = road.metric("worker", "smartmeter_live_open_windows")
    windows += road.metric("worker", "smartmeter_live_windows_closed_total")
    process.stop(20)
    return {
        "rate": (readings - first) / seconds,
        "cpu_microseconds": spent / (readings - first) * 1e6,
        "keys": windows,
    }


def peer(road: Road, python: str, script: str, topic: str, readings: int) -> float:
    """Return the rate of a peer over a filled topic of single readings."""
    environ = {
        **road.environ,
        "PEER_KAFKA": road.settings.kafka.servers,
        "PEER_TOPIC": topic,
    }
    log = road.folder / f"{script}.log"
    words = [python, str(ROOT / "tests" / "bench" / f"{script}.py")]
    words += ["worker", "-l", "warn", "--without-web"] if script == "peer_faust" else []
    process = spawn(words, log=log, environ=environ)
    try:
        road.wait_for(
            lambda: _progress(log)[-1:] and _progress(log)[-1][0] >= readings * 0.98,
            f"{script} to take {readings} readings",
            300,
        )
    finally:
        process.kill()
    looks = [look for look in _progress(log) if look[0]]
    (first, began), (last, ended) = looks[0], looks[-1]
    ended = next(at for taken, at in looks if taken == last)
    return (last - first) / (ended - began)


def _progress(log: Path) -> list[tuple[int, float]]:
    # Faust puts its own words before what an app prints.
    lines = [line for line in log.read_text().splitlines() if '{"taken"' in line]
    looks = (json.loads(line[line.index("{") : line.rindex("}") + 1]) for line in lines)
    return [(look["taken"], look["at"]) for look in looks]


def peers(road: Road, options: argparse.Namespace) -> dict[str, float]:
    """Return the rates of the peers on the first readings of the same frames."""
    lanes = road.topology.lanes
    rates = {}
    for script, python, share in (
        ("peer_faust", sys.executable, options.faust_readings),
        ("peer_quix", options.peers, options.quix_readings),
    ):
        topic = f"{script}.readings"
        parts = [
            list(
                islice(
                    frames(
                        lane,
                        options.readings // lanes,
                        options.transformers // lanes,
                        options.starts,
                    ),
                    share // lanes // ROWS,
                )
            )
            for lane in range(lanes)
        ]
        servers = road.settings.kafka.servers
        asyncio.run(_create(servers, topic, lanes))
        written = asyncio.run(fill_messages(servers, topic, parts))
        print(f"{script}: {written} readings …", flush=True)
        rates[script] = peer(road, python, script, topic, written)
        print(f"{script}: {rates[script]:,.0f}/s", flush=True)
    return rates


async def _create(servers: str, topic: str, partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1)])
    finally:
        await admin.close()


def main() -> None:
    """Fill, measure ours and the peers, and print one JSON line at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, default=8_000_000)
    parser.add_argument("--transformers", type=int, default=520_000)
    parser.add_argument("--starts", type=int, default=2)
    parser.add_argument("--faust-readings", type=int, default=80_000)
    parser.add_argument("--quix-readings", type=int, default=400_000)
    parser.add_argument(
        "--peers",
        default=os.environ.get("SMARTMETER_TEST_PEERS"),
        help="the peers' Python; without it ours runs alone",
    )
    options = parser.parse_args()
    rates: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        servers = Servers(folder / "servers")
        try:
            servers.need("kafka")
            with Road(servers.environ("bench"), folder) as road:
                print(f"filling {options.readings} readings …", flush=True)
                written = asyncio.run(
                    fill(
                        road.settings.kafka.servers,
                        road.topology.readings.name,
                        road.topology.lanes,
                        options.readings,
                        options.transformers,
                        options.starts,
                    )
                )
                result = measure(road, written)
                print(
                    f"{written:,} readings, {result['keys']:,.0f} windows:"
                    f" {result['rate']:,.0f}/s,"
                    f" {result['cpu_microseconds']:.2f} µs of processor time each",
                    flush=True,
                )
                if options.peers:
                    rates = peers(road, options)
        finally:
            servers.close()
    print(
        json.dumps(
            {
                "name": "worker",
                "ours": round(result["rate"]),
                "unit": "readings/s",
                "keys": round(result["keys"]),
                "cpu_microseconds": round(result["cpu_microseconds"], 2),
                "peers": {
                    name: {
                        "figure": round(rate),
                        "ratio": round(result["rate"] / rate, 1),
                    }
                    for name, rate in rates.items()
                },
            }
        )
    )


if __name__ == "__main__":
    main()
