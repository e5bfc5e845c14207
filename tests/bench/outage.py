"""Cassandra away for two minutes at full rate: what it costs, and whom.

    python -m tests.bench.outage [--rate 15000] [--away 120]

The whole road runs: simulator, three servers, bridge, live worker and archive worker.
The way to Cassandra is then closed and opened again. Wanted: the archive worker grows
by at most 100 MB, the live windows do not notice, and what has waited is stored at 1.5
times the input at least, while the input goes on.
"""

import argparse
import json
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

from deploy.local.process import spawn
from tests.archived import Archived
from tests.door import Door
from tests.servers import Servers

STEADY_SECONDS = 30
SAMPLE_SECONDS = 1.0
CAUGHT_UP_FRAMES = 50
DRAIN_SECONDS_MAX = 900


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=15_000)
    parser.add_argument("--away", type=float, default=120.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        servers = Servers(folder / "servers")
        try:
            for server in ("nats", "kafka", "cassandra"):
                servers.need(server)
            environ = servers.environ(f"b{secrets.token_hex(6)}")
            with Archived(environ, folder) as road:
                run(road, options.rate, options.away)
        finally:
            servers.close()


class Sampler:
    """Figures of the road, once a second."""

    def __init__(self, road: Archived) -> None:
        self.road = road
        self.process = psutil.Process(road.processes["archive"].pid)

    def sample(self) -> dict[str, float]:
        road = self.road
        return {
            "time": time.monotonic(),
            "rss": self.process.memory_info().rss / 1e6,
            "live_lag": road.metric("worker", "smartmeter_live_lag_frames"),
            "archive_lag": road.metric("archive", "smartmeter_archive_lag_records"),
            "bridged": road.metric("bridge", "smartmeter_bridge_readings_total"),
            "rows": road.metric("archive", "smartmeter_archive_rows_total"),
        }

    def during(self, seconds: float, until=lambda _: False) -> list[dict[str, float]]:
        samples = [self.sample()]
        while samples[-1]["time"] - samples[0]["time"] < seconds:
            time.sleep(SAMPLE_SECONDS)
            samples.append(self.sample())
            if until(samples[-1]):
                break
        return samples


def per_second(samples: list[dict[str, float]], name: str) -> float:
    span = samples[-1]["time"] - samples[0]["time"]
    return (samples[-1][name] - samples[0][name]) / span


def run(road: Archived, rate: int, away_seconds: float) -> None:
    archive = road.settings.archive
    with Door(archive.contact_points, archive.port) as door:
        road.environ["SMARTMETER_ARCHIVE__PORT"] = str(door.port)
        for name in ("bridge", "worker", "archive"):
            road.start(name)
        road.ready("bridge", "worker", "archive")
        road.processes["simulator"] = spawn(
            [
                sys.executable,
                "-m",
                "app",
                "simulate",
                "--rate",
                str(rate),
                "--port",
                "0",
            ],
            log=road.folder / "simulator.log",
            environ=road.environ,
        )
        sampler = Sampler(road)
        road.wait_for(lambda: sampler.sample()["rows"], "the first rows")
        steady = say("steady", sampler.during(STEADY_SECONDS))
        door.close()
        away = say("away", sampler.during(away_seconds))
        door.open()
        road.ready("archive")
        drain = say(
            "drain",
            sampler.during(
                DRAIN_SECONDS_MAX, lambda s: s["archive_lag"] < CAUGHT_UP_FRAMES
            ),
        )
    stored, arrived = per_second(drain, "rows"), per_second(drain, "bridged")
    print(
        json.dumps(
            {
                "name": "outage",
                "ours": round(stored / arrived, 2),
                "unit": "rows stored per reading that arrives, while it catches up",
                "away_seconds": away_seconds,
                "readings_per_second": round(per_second(steady, "bridged")),
                "drain_seconds": round(drain[-1]["time"] - drain[0]["time"]),
                "archive_growth_megabytes": round(
                    max(s["rss"] for s in away + drain) - steady[-1]["rss"]
                ),
                "live_lag_frames": {
                    phase: round(statistics.median(s["live_lag"] for s in samples))
                    for phase, samples in (
                        ("steady", steady),
                        ("away", away),
                        ("drain", drain),
                    )
                },
                "peers": {},
            }
        )
    )


def say(phase: str, samples: list[dict[str, float]]) -> list[dict[str, float]]:
    last = samples[-1]
    print(
        f"{phase:7} {last['time'] - samples[0]['time']:5.0f} s: "
        f"{per_second(samples, 'bridged'):8,.0f} readings/s in, "
        f"{per_second(samples, 'rows'):8,.0f} rows/s stored, "
        f"archive {last['rss']:,.0f} MB and {last['archive_lag']:,.0f} frames behind, "
        f"live {last['live_lag']:,.0f} frames behind",
        flush=True,
    )
    return samples


if __name__ == "__main__":
    main()
