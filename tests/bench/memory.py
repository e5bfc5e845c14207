"""What a worker holds while simulated days of 100,000 meters go through it.

    make bench NAME=memory

Every meter reports once in each of a day's 96 windows. Windows close all the time, and
what they were is to be given back. By design a worker keeps the last day's closed
windows for its pages, and twelve hours of predictions that wait for what comes true:
so the first day fills these, and from then on its memory is to stay where it is.
"""

import argparse
import asyncio
import json
import tempfile
from pathlib import Path

from tests.bench.fill import fill
from tests.road import Road
from tests.servers import Servers

CLOSED = "smartmeter_live_windows_closed_total"
COUNTED = "smartmeter_live_readings_counted_total"
METERS_PER_TRANSFORMER = 10
WINDOWS_IN_A_DAY = 96
LOOKS_PER_DAY = 6
MEBIBYTE = 1 << 20


def watch(road: Road, readings: int, transformers: int, starts: int) -> dict[str, int]:
    """Return the worker's resident memory by windows that have closed, MiB."""
    road.start("worker")
    road.ready("worker")
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
    road.wait_for(lambda: road.metric("worker", COUNTED) >= readings, "all readings")
    return found


def main() -> None:
    """Fill a day, watch, and print one JSON line at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--meters", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=2)
    options = parser.parse_args()
    transformers = options.meters // METERS_PER_TRANSFORMER
    starts = options.days * WINDOWS_IN_A_DAY
    with tempfile.TemporaryDirectory() as name:
        servers = Servers(Path(name) / "servers")
        try:
            servers.need("kafka")
            with Road(servers.environ("bench"), Path(name)) as road:
                written = asyncio.run(
                    fill(
                        road.settings.kafka.servers,
                        road.topology.readings.name,
                        road.topology.lanes,
                        options.meters * starts,
                        transformers,
                        starts,
                    )
                )
                found = watch(road, written, transformers, starts)
        finally:
            servers.close()
    in_order = list(found.values())
    first_day = in_order[: LOOKS_PER_DAY + 1]
    print(
        json.dumps(
            {
                "name": "memory",
                "ours": max(in_order) - max(first_day),
                "unit": "MiB of growth after the first day",
                "first_day": max(first_day) - in_order[0],
                "resident": found,
                "peers": {},
            }
        )
    )


if __name__ == "__main__":
    main()
