"""Frames in Kafka to rows in Cassandra: the archive worker beside the bare driver.

    python -m tests.bench.archive [--readings 1000000] [--rounds 3]

The driver gets the same rows as Python tuples, ready to bind, in batches of one
partition; of several batch sizes its best counts. The worker starts from a filled
topic, and is timed from its first row to its last commit. The two take turns, on the
same server, so that what else the machine does hits both.
"""

import argparse
import json
import secrets
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
from cassandra.query import BatchStatement, BatchType

from app.domain.readings import EXTRA_COLUMNS, Readings, lane_of
from app.sinks import rows as sink_rows
from app.sinks.tables import RAW_DATA
from app.wire.frames import Frame, encode_frame
from tests.archived import Archived
from tests.servers import Servers

LANES = 8
LINES, TRANSFORMERS, METERS = (11, 12), 12, 625  # the seed's fleet at 15,000/s
FRAME_ROWS = 500
BATCH_SIZES = (50, 100, 200)
IN_FLIGHT = 64
START = 1_700_000_100


def epochs(readings: int) -> Iterator[dict[int, Readings]]:
    """Yield the fleet's readings of each epoch by lane, all twelve values each."""
    random = np.random.default_rng(1)
    fleet = len(LINES) * TRANSFORMERS * METERS
    place = np.arange(fleet)
    line = np.array(LINES, np.int32)[place // (TRANSFORMERS * METERS)]
    transformer = (1 + place // METERS % TRANSFORMERS).astype(np.int32)
    usagepoint = (1 + place % METERS).astype(np.int32)
    keys = list(zip(line.tolist(), transformer.tolist(), strict=True))
    lanes = {key: lane_of(*key, LANES) for key in set(keys)}
    lane = np.array([lanes[key] for key in keys])
    for epoch in range(-(-readings // fleet)):
        voltage = random.normal(117, 2, fleet).astype(np.float32)
        extra = {n: random.random(fleet).astype(np.float32) for n in EXTRA_COLUMNS}
        yield {
            number: Readings(
                sequence=epoch * fleet + at,
                timestamp=np.full(len(at), START + epoch * 900),
                line=line[at],
                transformer=transformer[at],
                usagepoint=usagepoint[at],
                voltage=voltage[at],
                extra={name: column[at] for name, column in extra.items()},
            )
            for number in range(LANES)
            if len(at := np.flatnonzero(lane == number))
        }


def frames(readings: int) -> Iterator[tuple[int, bytes]]:
    for by_lane in epochs(readings):
        for lane, rows in by_lane.items():
            for begin in range(0, len(rows), FRAME_ROWS):
                part = slice(begin, begin + FRAME_ROWS)
                yield (
                    lane,
                    encode_frame(
                        Frame(
                            lane=lane,
                            first=int(rows.sequence[part][0]),
                            last=int(rows.sequence[part][-1]),
                            watermark=int(rows.timestamp[0]),
                            readings=Readings(
                                sequence=rows.sequence[part],
                                timestamp=rows.timestamp[part],
                                line=rows.line[part],
                                transformer=rows.transformer[part],
                                usagepoint=rows.usagepoint[part],
                                voltage=rows.voltage[part],
                                extra={n: c[part] for n, c in rows.extra.items()},
                            ),
                        )
                    ),
                )


def partitions(readings: int) -> list[list[tuple[float, ...]]]:
    """Return the rows as tuples to bind, one list per epoch and transformer."""
    found = []
    for by_lane in epochs(readings):
        for lane_rows in by_lane.values():
            columns = sink_rows.raw_rows(lane_rows)
            rows = list(
                zip(*(columns[n].tolist() for n in RAW_DATA.columns), strict=True)
            )
            found += [rows[at : at + METERS] for at in range(0, len(rows), METERS)]
    return found


def sums_of(chunks) -> dict[tuple[int, ...], tuple[int, float]]:
    """Return count and sum of voltages by partition."""
    names = list(RAW_DATA.columns)
    key = [names.index(name) for name in RAW_DATA.partition]
    voltage = names.index("voltage")
    sums: dict[tuple[int, ...], tuple[int, float]] = {}
    for rows in chunks:
        for row in rows:
            partition = tuple(row[at] for at in key)
            count, total = sums.get(partition, (0, 0.0))
            sums[partition] = (count + 1, total + row[voltage])
    return sums


def assert_equal(expected, stored) -> None:
    """Every partition has its count of rows, and its checksum."""
    assert expected.keys() == stored.keys()
    for partition, (count, total) in expected.items():
        assert count == stored[partition][0], (partition, count, stored[partition])
        assert abs(total - stored[partition][1]) < 1e-6 * total, partition


def bare_driver(session, keyspace, chunks, batch_size) -> float:
    """Write with the driver alone; return rows/s."""
    statement = session.prepare(RAW_DATA.insert(keyspace))
    slots = threading.Semaphore(IN_FLIGHT)
    failures = []

    def done(_):
        slots.release()

    def failed(error):
        failures.append(error)
        slots.release()

    count = 0
    started = time.perf_counter()
    for rows in chunks:
        for begin in range(0, len(rows), batch_size):
            batch = BatchStatement(BatchType.UNLOGGED)
            for row in rows[begin : begin + batch_size]:
                batch.add(statement, row)
                count += 1
            slots.acquire()
            session.execute_async(batch).add_callbacks(done, failed)
    for _ in range(IN_FLIGHT):
        slots.acquire()
    assert not failures, failures[0]
    return count / (time.perf_counter() - started)


def our_worker(road: Archived, name: str, count: int) -> tuple[float, float]:
    """Let a worker store the topic; return rows/s and its CPU seconds."""
    road.start(name, "archive")
    road.ready(name)
    process = psutil.Process(road.processes[name].pid)

    def stored():
        return road.metric(name, "smartmeter_archive_rows_total")

    road.wait_for(stored, "the first rows")
    begun, started = stored(), time.perf_counter()
    before = sum(process.cpu_times()[:2])
    while stored() < count:
        time.sleep(0.02)
    rate = (count - begun) / (time.perf_counter() - started)
    cpu = sum(process.cpu_times()[:2]) - before
    road.processes[name].kill()
    return rate, cpu / (count - begun) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, default=600_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        servers = Servers(Path(folder) / "servers")
        try:
            servers.need("kafka")
            servers.need("cassandra")
            run(servers, Path(folder), options.readings, options.rounds)
        finally:
            servers.close()


def run(servers: Servers, folder: Path, readings: int, rounds: int) -> None:
    chunks = partitions(readings)
    count = sum(map(len, chunks))
    expected = sums_of(chunks)
    ours, cpu, bare = [], [], {size: [] for size in BATCH_SIZES}
    for number in range(rounds):
        with Archived(servers.environ(f"b{secrets.token_hex(6)}"), folder) as road:
            road.produce(road.topology.readings, frames(readings))
            rate, microseconds = our_worker(road, "archive", count)
            ours.append(rate)
            cpu.append(microseconds)
            print(f"round {number}: archive worker {rate:,.0f} rows/s, "
                  f"{microseconds:.1f} µs of CPU a row", flush=True)  # fmt: skip
            assert_equal(expected, road.partition_sums())
            for size in BATCH_SIZES:
                road.session.execute(
                    f"TRUNCATE {road.topology.keyspace}.raw_data", timeout=60
                )
                rate = bare_driver(road.session, road.topology.keyspace, chunks, size)
                bare[size].append(rate)
                print(f"round {number}: bare driver, batches of {size}: "
                      f"{rate:,.0f} rows/s", flush=True)  # fmt: skip
    medians = {size: statistics.median(rates) for size, rates in bare.items()}
    best = max(medians, key=medians.__getitem__)
    mine = statistics.median(ours)
    peer = {"figure": round(medians[best]), "ratio": round(mine / medians[best], 2)}
    print(
        json.dumps(
            {
                "name": "archive",
                "ours": round(mine),
                "unit": "rows/s",
                "cpu_microseconds_per_row": round(statistics.median(cpu), 2),
                "rows": count,
                "peers": {f"scylla-driver, batches of {best}": peer},
            }
        )
    )


if __name__ == "__main__":
    main()
