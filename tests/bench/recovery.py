"""How long a death costs: from SIGKILL to the next worker answering for all lanes.

    make bench NAME=recovery

Two workers share a million open windows; one is killed. Then the other is killed too,
and starts again under its own name and restores everything: no session has to end
first, so that what is seen is the process's start and the restoring.
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

COUNTED = "smartmeter_live_readings_counted_total"
OPEN = "smartmeter_live_open_windows"
RESTORED = "smartmeter_faust_rebalance_seconds_sum"


def seconds_until(road: Road, name: str, metric: str, value: float) -> float:
    """Return how long it takes until a worker's metric has a value."""
    began = time.monotonic()

    def reached() -> bool:
        try:
            return road.metric(name, metric) >= value
        except OSError:
            return False

    road.wait_for(reached, f"{metric} of {name} to be {value}", 300)
    return time.monotonic() - began


def measure(road: Road, readings: int) -> dict[str, float]:
    """Return the seconds of a failover and of a restart with all windows."""
    for name in ("worker-1", "worker-2"):
        road.start(name)
    road.ready("worker-1", "worker-2")
    names = ("worker-1", "worker-2")
    road.wait_for(
        lambda: sum(road.metric(name, COUNTED) for name in names) >= readings,
        "all readings to be counted",
        600,
    )
    windows = sum(road.metric(name, OPEN) for name in names)
    road.processes["worker-1"].kill()
    failover = seconds_until(road, "worker-2", OPEN, windows)
    road.processes["worker-2"].kill()
    road.start("worker-2")
    restart = seconds_until(road, "worker-2", OPEN, windows)
    road.ready("worker-2")
    return {
        "windows": windows,
        "failover": failover,
        "restart": restart,
        "restore": road.metric("worker-2", RESTORED),
    }


def main() -> None:
    """Fill, measure, and print one JSON line at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transformers", type=int, default=1_000_000)
    options = parser.parse_args()
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
                        options.transformers,
                        options.transformers,
                        1,
                    )
                )
                result = measure(road, written)
        finally:
            servers.close()
    print(
        f"{result['windows']:,.0f} open windows: from SIGKILL to all lanes answered for"
        f" {result['failover']:.1f} s; from a process's start to everything restored"
        f" {result['restart']:.1f} s, of which joining and restoring"
        f" {result['restore']:.1f} s"
    )
    print(
        json.dumps(
            {
                "name": "recovery",
                "ours": round(result["failover"], 1),
                "unit": "s",
                "restart": round(result["restart"], 1),
                "restore": round(result["restore"], 1),
                "windows": round(result["windows"]),
                "peers": {},
            }
        )
    )


if __name__ == "__main__":
    main()
