"""What a bridge holds while Kafka is away for ten minutes and meters go on.

    make bench NAME=kafka_outage

Kafka is killed, and started again at the end. Wanted: the bridge grows by at most
50 MB, and then carries all that JetStream has kept for it.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from deploy.local.process import spawn
from tests.road import Road
from tests.servers import Servers

CARRIED = "smartmeter_bridge_readings_total"
STEADY_SECONDS = 20
SAMPLE_SECONDS = 5.0
MEGABYTE = 1e6
CATCH_UP_SECONDS_MAX = 600


def main() -> None:
    """Run the outage, and print one JSON line at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=10_000, help="readings per second")
    parser.add_argument("--seconds", type=float, default=600.0, help="of the outage")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        servers = Servers(folder / "servers")
        try:
            for server in ("nats", "kafka"):
                servers.need(server)
            with Road(servers.environ("outage"), folder) as road:
                found = run(road, servers, options.rate, options.seconds)
        finally:
            servers.close()
    print(json.dumps({"name": "kafka_outage", **found, "peers": {}}))


def run(road: Road, servers: Servers, rate: int, seconds: float) -> dict[str, object]:
    """Return how much the bridge grew, and how it caught up."""
    road.start("bridge")
    road.ready("bridge")
    log = road.folder / "simulator.log"
    words = ["simulate", "--rate", str(rate), "--port", "0"]
    simulator = spawn(
        [sys.executable, "-m", "app", *words], log=log, environ=road.environ
    )
    road.wait_for(lambda: road.metric("bridge", CARRIED), "the first readings")
    time.sleep(STEADY_SECONDS)
    bridge = road.processes["bridge"]
    before = bridge.resident_bytes
    servers.stack.kill("kafka")
    began = time.monotonic()
    most = before
    while time.monotonic() - began < seconds:
        time.sleep(SAMPLE_SECONDS)
        most = max(most, bridge.resident_bytes)
        print(
            f"{time.monotonic() - began:5.0f} s without Kafka:"
            f" {bridge.resident_bytes / MEGABYTE:.0f} MB",
            flush=True,
        )
    simulator.stop(60)
    published = json.loads(log.read_text().splitlines()[-1])["published"]
    servers.stack.start("kafka")
    back = time.monotonic()
    waiting = published - road.metric("bridge", CARRIED)

    def caught_up() -> bool:
        nonlocal most
        most = max(most, bridge.resident_bytes)
        return road.metric("bridge", CARRIED) >= published

    road.wait_for(caught_up, "all to be carried", CATCH_UP_SECONDS_MAX)
    return {
        "ours": round((most - before) / MEGABYTE),
        "unit": "MB of growth",
        "outage_seconds": seconds,
        "published": published,
        "carried": round(road.metric("bridge", CARRIED)),
        "waited": round(waiting),
        "catch_up_seconds": round(time.monotonic() - back, 1),
    }


if __name__ == "__main__":
    main()
