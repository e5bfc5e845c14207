"""What the web view of a worker answers in while the worker works.

    make bench NAME=views

A simulator publishes at a steady rate. The worker's rate and processor time are taken
without viewers, then with so many questions a second, sent when they are due whether
or not the ones before are answered; a latency counts from when its question was due.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

from deploy.local.process import spawn
from tests.road import Road
from tests.servers import Servers

COUNTED = "smartmeter_live_readings_counted_total"
PATHS = (
    "/api/v1/overview",
    "/api/v1/windows?limit=100&sort=-maximum_volts",
    "/api/v1/transformers/11/3",
    "/api/v1/top",
    "/api/v1/windows?state=open&limit=100",
    "/transformers",
    "/api/v1/transformers/11/3/predictions",
    "/static/grid.js",
)


async def ask(url: str, rate: int, seconds: float) -> tuple[list[float], int]:
    """Ask at a rate; return latencies in seconds, and how many had no good answer."""
    latencies: list[float] = []
    failures = 0
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:

        async def one(path: str, due: float) -> None:
            nonlocal failures
            try:
                async with session.get(url + path) as response:
                    await response.read()
                    failures += response.status >= 500
            except (aiohttp.ClientError, TimeoutError):
                failures += 1
            latencies.append(time.monotonic() - due)

        began = time.monotonic()
        tasks = []
        for number in range(int(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(due - time.monotonic(), 0))
            tasks.append(asyncio.create_task(one(PATHS[number % len(PATHS)], due)))
        await asyncio.gather(*tasks)
    return latencies, failures


class Look:
    """What the worker has counted and spent so far."""

    def __init__(self, road: Road) -> None:
        self.at = time.monotonic()
        self.counted = road.metric("worker", COUNTED)
        self.spent = road.processes["worker"].cpu_seconds

    def since(self, before: "Look") -> dict[str, float]:
        """Return readings per second, and processor time per second."""
        seconds = self.at - before.at
        return {
            "readings_per_second": (self.counted - before.counted) / seconds,
            "cores": (self.spent - before.spent) / seconds,
        }


def measure(road: Road, options: argparse.Namespace) -> dict[str, float]:
    """Return rates and latencies, without viewers and with them."""
    before = Look(road)
    time.sleep(options.seconds)
    between = Look(road)
    url = f"http://127.0.0.1:{road.ports['worker']}"
    latencies, failures = asyncio.run(ask(url, options.rate, options.seconds))
    after = Look(road)
    alone, watched = between.since(before), after.since(between)
    milliseconds = sorted(1_000 * latency for latency in latencies)
    percentiles = statistics.quantiles(milliseconds, n=100)
    return {
        "p50_milliseconds": percentiles[49],
        "p99_milliseconds": percentiles[98],
        "failures": failures,
        "readings_per_second_alone": alone["readings_per_second"],
        "readings_per_second_watched": watched["readings_per_second"],
        "cores_alone": alone["cores"],
        "cores_watched": watched["cores"],
    }


def main() -> None:
    """Run the road, measure, and print one JSON line at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=200, help="questions per second")
    parser.add_argument("--readings", type=int, default=20_000, help="per second")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each part")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-views-"))
    servers = Servers(folder)
    try:
        for name in ("nats", "kafka"):
            servers.need(name)
        with Road(servers.environ("benchviews"), folder) as road:
            for name in ("bridge", "worker"):
                road.start(name)
            road.ready("bridge", "worker")
            words = ["simulate", "--rate", str(options.readings), "--port", "0"]
            simulator = spawn(
                [sys.executable, "-m", "app", *words],
                log=folder / "simulate.log",
                environ=road.environ,
            )
            try:
                road.wait_for(
                    lambda: road.json("worker", "/api/v1/overview")["totals"][
                        "windows_closed"
                    ],
                    "the first windows to close",
                )
                found = measure(road, options)
            finally:
                simulator.stop(10)
    finally:
        servers.close()
    print(
        json.dumps(
            {
                "name": "views",
                "ours": round(found["p99_milliseconds"], 1),
                "unit": "ms, p99",
                "peers": {},
                **{name: round(value, 2) for name, value in found.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
