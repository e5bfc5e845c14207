"""The pipeline under faults, compared with the oracle row by row.

    make faults SEED=7 FOR=60

The schedule is drawn from the seed and printed as it happens; exit code 1 if anything
was lost, counted twice or cannot be explained.
"""

import argparse
import asyncio
import sys
import tempfile
import threading
import time
from pathlib import Path

from app import settings
from tests.chaos import Chaos, draw
from tests.publications import GRACE, SIZE, THRESHOLD, Publisher
from tests.road import Road
from tests.servers import Servers
from tests.verdict import Verdict, verdict

SETTLE_SECONDS_MAX = 180


def environ_of(servers: Servers, namespace: str) -> dict[str, str]:
    """Return a run's environment: short windows, small journals, quick failover."""
    return servers.environ(namespace) | {
        settings.variable("windows", "size_seconds"): str(SIZE),
        settings.variable("windows", "grace_seconds"): str(GRACE),
        settings.variable("windows", "threshold_volts"): str(THRESHOLD),
        settings.variable("kafka", "journal_bytes_min"): "20000",
        settings.variable("kafka", "session_timeout_seconds"): "6",
        settings.variable("kafka", "request_timeout_seconds"): "8",
    }


def run(
    servers: Servers,
    folder: Path,
    namespace: str,
    seed: int,
    seconds: float,
    *,
    workers: int = 2,
    rate: int = 1_000,
    every: float = 4.0,
) -> Verdict:
    """Run the pipeline under a schedule, settle, and compare."""
    for name in ("nats", "kafka"):
        servers.need(name)
    names = ["bridge", *(f"worker-{number + 1}" for number in range(workers))]
    with Road(environ_of(servers, namespace), folder) as road:
        for name in names:
            road.start(name)
        road.ready(*names)
        publisher = Publisher(
            road.settings.nats.servers, road.topology.subject, seed, rate
        )
        loop = asyncio.new_event_loop()
        thread = threading.Thread(
            target=loop.run_until_complete, args=(publisher.run(),)
        )
        thread.start()
        try:
            faults = draw(seed, seconds, names, every)
            print(f"seed {seed}: {len(faults)} faults in {seconds:.0f} s", flush=True)
            say = lambda line: print(line, flush=True)  # noqa: E731
            Chaos(road, servers.stack, names, say).run(faults)
        finally:
            loop.call_soon_threadsafe(publisher.stopping.set)
            thread.join()
        settle(road, names, publisher)
        return verdict(road, publisher.done)


def settle(road: Road, names: list[str], publisher: Publisher) -> None:
    """Wait until every reading is in a durable state, or time is up."""
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    total = len(publisher.done.readings)
    while time.monotonic() < deadline:
        for name in names:
            if not road.processes[name].alive:
                road.start(name)
        try:
            counted = sum(
                road.metric(name, f"smartmeter_live_readings_{kind}_total")
                for name in names
                if name.startswith("worker")
                for kind in ("counted", "late")
            )
        except OSError:
            counted = 0
        if counted >= total:
            time.sleep(2)  # results of the last group are on their way
            return
        time.sleep(0.5)
    print(f"not settled: {counted:.0f} of {total} counted", flush=True)
    for name in names:
        print(f"--- {name}\n{road.log(name)}", flush=True)


def main() -> None:
    """Run one seed or several, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="how many in a row")
    parser.add_argument("--for", dest="seconds", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rate", type=int, default=1_000)
    options = parser.parse_args()
    clean = True
    with tempfile.TemporaryDirectory() as name:
        servers = Servers(Path(name) / "servers")
        try:
            for seed in range(options.seed, options.seed + options.seeds):
                result = run(
                    servers,
                    Path(name) / f"seed-{seed}",
                    f"f{seed}",
                    seed,
                    options.seconds,
                    workers=options.workers,
                    rate=options.rate,
                )
                print(f"seed {seed}: {result}", flush=True)
                clean = clean and result.is_clean
        finally:
            servers.close()
    sys.exit(0 if clean else 1)


if __name__ == "__main__":
    main()
