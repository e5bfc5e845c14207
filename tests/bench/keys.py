"""What the number of windows, and of lanes, costs one live worker.

    make bench NAME=keys

The same number of readings each time, over a thousand to ten million windows that are
open at once, and over one to thirty-two lanes. Each run has a Kafka of its own.
"""

import argparse
import asyncio
import json
import tempfile
from pathlib import Path

from app import settings
from tests.bench.fill import fill
from tests.bench.worker import measure
from tests.road import Road
from tests.servers import Servers

STARTS = 2


def run(readings: int, keys: int, lanes: int) -> dict[str, float]:
    """Return the rate of a worker for one number of windows and of lanes."""
    with tempfile.TemporaryDirectory() as name:
        servers = Servers(Path(name) / "servers")
        try:
            servers.need("kafka")
            environ = servers.environ("bench")
            environ[settings.variable("kafka", "lanes")] = str(lanes)
            with Road(environ, Path(name)) as road:
                written = asyncio.run(
                    fill(
                        road.settings.kafka.servers,
                        road.topology.readings.name,
                        lanes,
                        readings,
                        max(lanes, keys // STARTS),
                        STARTS,
                    )
                )
                result = measure(road, written)
        finally:
            servers.close()
    print(
        f"{result['keys']:>12,.0f} windows, {lanes:>2} lanes:"
        f" {result['rate']:>9,.0f} readings/s, {result['cpu_microseconds']:.2f} µs of"
        " processor time each",
        flush=True,
    )
    return result


def main() -> None:
    """Measure each number in turn, and print one JSON line at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, default=10_000_000)
    parser.add_argument(
        "--keys", type=int, nargs="*", default=[10**n for n in (3, 5, 7)]
    )
    parser.add_argument("--lanes", type=int, nargs="*", default=[1, 32])
    options = parser.parse_args()
    by_keys = {keys: run(options.readings, keys, 8) for keys in options.keys}
    by_lanes = {lanes: run(options.readings, 10**6, lanes) for lanes in options.lanes}
    fewest, most = min(options.keys), max(options.keys)
    print(
        json.dumps(
            {
                "name": "keys",
                "ours": round(by_keys[most]["rate"] / by_keys[fewest]["rate"], 2),
                "unit": f"rate at {most} windows / rate at {fewest}",
                "keys": {str(n): round(r["rate"]) for n, r in by_keys.items()},
                "lanes": {str(n): round(r["rate"]) for n, r in by_lanes.items()},
                "peers": {},
            }
        )
    )


if __name__ == "__main__":
    main()
