"""How fast one live worker turns frames in Kafka into durable windows.

    make bench NAME=worker

A topic is filled first; then one worker reads it from the beginning. The rate is taken
between two looks at what its durable state has counted, so that start and recovery do
not count for or against it.
"""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

from tests.bench.fill import fill
from tests.road import Road
from tests.servers import Servers

COUNTED = "smartmeter_live_readings_counted"


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
    windows = road.metric("worker", "smartmeter_live_windows_open")
    windows += road.metric("worker", "smartmeter_live_windows_closed")
    process.stop(20)
    return {
        "rate": (readings - first) / seconds,
        "cpu_microseconds": spent / (readings - first) * 1e6,
        "keys": windows,
    }


def main() -> None:
    """Fill, measure, and print one JSON line at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, default=8_000_000)
    parser.add_argument("--transformers", type=int, default=520_000)
    parser.add_argument("--starts", type=int, default=2)
    options = parser.parse_args()
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
        finally:
            servers.close()
    print(
        f"{written:,} readings, {result['keys']:,.0f} windows: {result['rate']:,.0f}/s,"
        f" {result['cpu_microseconds']:.2f} µs of processor time each"
    )
    print(
        json.dumps(
            {
                "name": "worker",
                "ours": round(result["rate"]),
                "unit": "readings/s",
                "keys": round(result["keys"]),
                "cpu_microseconds": round(result["cpu_microseconds"], 2),
                "peers": {},
            }
        )
    )


if __name__ == "__main__":
    main()
