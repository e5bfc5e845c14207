"""What a worker holds while simulated days of 100,000 meters go through it.

    make bench NAME=memory

Every meter reports once in each of a day's 96 windows, at 900 times their pace, as the
simulator's do. Windows close all the time, and what they were is to be given back. A
worker keeps the last day's closed windows for its pages, and twelve hours of
predictions that wait for what comes true; both grow with the transformers, not with the
meters, and are full after the first day.
"""

import argparse
import asyncio
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.bench.fill import fill
from tests.road import Road
from tests.servers import Servers

CLOSED = "smartmeter_live_windows_closed_total"
COUNTED = "smartmeter_live_readings_counted_total"
WINDOWS_IN_A_DAY = 96
LOOKS_PER_DAY = 6
MEBIBYTE = 1 << 20


def watch(road: Road, transformers: int, starts: int) -> dict[str, int]:
    """Return the worker's resident memory by windows that have closed, MiB."""
    process = road.processes["worker"]
    found = {}
    # A window closes one grace after its end: two are open when the day is over.
    looks = LOOKS_PER_DAY * starts // WINDOWS_IN_A_DAY
    for look in range(looks + 1):
        starts_closed = 1 + (starts - 3) * look // looks

        def reached(least: int = starts_closed * transformers) -> bool:
            return road.metric("worker", CLOSED) >= least

        road.wait_for(reached, f"{starts_closed} windows to close", 300)
        counted = road.metric("worker", COUNTED)
        found[str(starts_closed)] = round(process.resident_bytes / MEBIBYTE)
        print(
            f"{starts_closed:>3} of {starts} windows closed,"
            f" {counted:>11,.0f} readings: {found[str(starts_closed)]} MiB",
            flush=True,
        )
    return found


def main() -> None:
    """Let readings come at a steady rate, watch, and print one JSON line at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--meters", type=int, default=100_000)
    parser.add_argument("--transformers", type=int, default=2_000)
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--rate", type=int, default=100_000, help="readings per second")
    options = parser.parse_args()
    starts = options.days * WINDOWS_IN_A_DAY
    with tempfile.TemporaryDirectory() as name:
        servers = Servers(Path(name) / "servers")
        try:
            servers.need("kafka")
            with (
                Road(servers.environ("bench"), Path(name)) as road,
                ThreadPoolExecutor(1) as beside,
            ):
                road.start("worker")
                road.ready("worker")
                writing = beside.submit(
                    asyncio.run,
                    fill(
                        road.settings.kafka.servers,
                        road.topology.readings.name,
                        road.topology.lanes,
                        options.meters * starts,
                        options.transformers,
                        starts,
                        rate=options.rate,
                    ),
                )
                found = watch(road, options.transformers, starts)
                written = writing.result()
                road.wait_for(
                    lambda: road.metric("worker", COUNTED) >= written, "all readings"
                )
        finally:
            servers.close()
    in_order = list(found.values())
    day = in_order[: LOOKS_PER_DAY + 1]
    print(
        json.dumps(
            {
                "name": "memory",
                "ours": max(day) - day[0],
                "unit": "MiB of growth in the first day, after the first window",
                "growth_after_it": max(in_order) - max(day),
                "resident": found,
                "peers": {},
            }
        )
    )


if __name__ == "__main__":
    main()
