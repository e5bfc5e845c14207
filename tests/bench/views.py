"""What the web view of a worker answers in while the worker works.

    make bench NAME=views

Readings come at a steady rate. The worker's rate and processor time are taken without
viewers, then with so many questions a second, sent when they are due whether or not the
ones before are answered; a latency counts from when its question was due.

All of it twice: with frames written straight to Kafka, which is the figure, and with
the whole road on the same cores, where the worker waits for a core half of its time.
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp

from deploy.local.process import spawn
from tests.bench.fill import fill
from tests.road import Road
from tests.servers import Servers

COUNTED = "smartmeter_live_readings_counted_total"
TRANSFORMERS = 32  # a few more than the simulator has at the usual rate
SPARE_SECONDS = 15  # until the first windows have closed
PATHS = (
    "/api/v1/overview",
    "/api/v1/windows?limit=100&sort=-maximum_volts",
    "/api/v1/transformers/{one}",
    "/api/v1/top",
    "/api/v1/windows?state=open&limit=100",
    "/transformers",
    "/api/v1/transformers/{one}/predictions",
    "/static/grid.js",
)


async def ask(
    url: str, paths: list[str], rate: int, seconds: float
) -> tuple[list[float], int]:
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
                    failures += response.status != HTTPStatus.OK
            except (aiohttp.ClientError, TimeoutError):
                failures += 1
            latencies.append(time.monotonic() - due)

        began = time.monotonic()
        tasks = []
        for number in range(int(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(due - time.monotonic(), 0))
            tasks.append(asyncio.create_task(one(paths[number % len(paths)], due)))
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


def a_transformer(road: Road) -> str:
    """Return one that is found by its name: frames are made by the lane."""
    for row in road.json("worker", "/api/v1/windows?limit=1000")["windows"]:
        one = f"{row['line']}/{row['transformer']}"
        try:
            road.get("worker", f"/api/v1/transformers/{one}")
        except OSError:
            continue
        return one
    raise AssertionError("no transformer is in the lane that its name says")


def measure(road: Road, options: argparse.Namespace) -> dict[str, float]:
    """Return rates and latencies, without viewers and with them."""
    before = Look(road)
    time.sleep(options.seconds)
    between = Look(road)
    url = f"http://127.0.0.1:{road.ports['worker']}"
    one = a_transformer(road)
    paths = [path.format(one=one) for path in PATHS]
    latencies, failures = asyncio.run(ask(url, paths, options.rate, options.seconds))
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


@contextmanager
def frames_alone(road: Road, options: argparse.Namespace) -> Iterator[None]:
    """Let the worker have its frames from Kafka, as a bridge would write them."""
    road.start("worker")
    road.ready("worker")
    seconds = int(2 * options.seconds) + SPARE_SECONDS
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as beside:
        writing = beside.submit(
            _fill,
            road.settings.kafka.servers,
            road.topology.readings.name,
            road.topology.lanes,
            options.readings * seconds,
            TRANSFORMERS,
            seconds,
            rate=options.readings,
        )
        yield
        writing.result()


def _fill(*words: Any, rate: float) -> None:
    asyncio.run(fill(*words, rate=rate))


@contextmanager
def whole_road(road: Road, options: argparse.Namespace) -> Iterator[None]:
    """Let all of the road be on the same cores: a simulator, nats-server, a bridge."""
    for name in ("bridge", "worker"):
        road.start(name)
    road.ready("bridge", "worker")
    words = ["simulate", "--rate", str(options.readings), "--port", "0"]
    simulator = spawn(
        [sys.executable, "-m", "app", *words],
        log=road.folder / "simulate.log",
        environ=road.environ,
    )
    try:
        yield
    finally:
        simulator.stop(10)


def main() -> None:
    """Measure the worker by itself, and on the whole road; print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=200, help="questions per second")
    parser.add_argument("--readings", type=int, default=20_000, help="per second")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each part")
    options = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory(prefix="bench-views-") as name:
        folder = Path(name)
        servers = Servers(folder)
        try:
            for feed, needed in ((frames_alone, "kafka"), (whole_road, "nats")):
                servers.need(needed)
                environ = servers.environ(feed.__name__.replace("_", ""))
                with Road(environ, folder) as road, feed(road, options):
                    road.wait_for(
                        lambda road=road: road.json("worker", "/api/v1/overview")[
                            "totals"
                        ]["windows_closed"],
                        "the first windows to close",
                    )
                    found[feed.__name__] = measure(road, options)
                    print(feed.__name__, found[feed.__name__], flush=True)
        finally:
            servers.close()
    print(
        json.dumps(
            {
                "name": "views",
                "ours": round(found["frames_alone"]["p99_milliseconds"], 1),
                "unit": "ms, p99",
                "peers": {},
                **{
                    part: {name: round(value, 2) for name, value in figures.items()}
                    for part, figures in found.items()
                },
            }
        )
    )


if __name__ == "__main__":
    main()
