"""Count and checksum of readings by partition of raw_data, from two places.

Each reading becomes one number; the checksum of a partition is their sum modulo 2**64,
so that the order does not matter, and one that is lost, twice or changed shows. The
sum of the voltages gives the mean that `batch averages` is to find.
"""

from collections.abc import Iterator

import numpy as np
import orjson
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from app.sinks.scan import Scan
from app.sinks.tables import AVERAGES, RAW_DATA

__all__ = ["Ledger", "averages_of_cassandra", "of_cassandra", "of_kafka"]

DAY_SECONDS = 86_400
MIXERS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], "u8")


class Ledger:
    """(line, transformer, day) with count, checksum and voltage sum of its readings."""

    def __init__(self) -> None:
        self.partitions: dict[tuple[int, int, int], tuple[int, int, float]] = {}

    def __len__(self) -> int:
        return sum(count for count, *_ in self.partitions.values())

    def add(self, line, transformer, usagepoint, timestamp, voltage) -> None:
        """Add readings, as columns; timestamp in epoch seconds, voltage as float32."""
        keys = np.stack([line, transformer, timestamp // DAY_SECONDS], axis=1)
        keys, place = np.unique(keys.astype(np.int64), axis=0, return_inverse=True)
        parts = [
            usagepoint.astype("u8"),
            timestamp.astype("u8"),
            voltage.astype("f4").view("u4").astype("u8"),
        ]
        mixed = sum(part * mixer for part, mixer in zip(parts, MIXERS, strict=True))
        mixed ^= mixed >> np.uint64(29)
        mixed *= MIXERS[0]
        for at, key in enumerate(map(tuple, keys.tolist())):
            mine = place.reshape(-1) == at
            count, checksum, total = self.partitions.get(key, (0, 0, 0.0))
            checksum = (checksum + int(mixed[mine].sum(dtype="u8"))) % 2**64
            total += float(voltage[mine].sum(dtype=np.float64))
            self.partitions[key] = count + int(mine.sum()), checksum, total

    def differences(self, other: "Ledger") -> set[tuple[int, int, int]]:
        """Return the partitions whose counts or checksums are not the other's."""
        mine, theirs = self.partitions, other.partitions
        return {
            key
            for key in mine.keys() | theirs.keys()
            if mine.get(key, ())[:2] != theirs.get(key, ())[:2]
        }


def of_cassandra(archive, keyspace: str) -> Ledger:
    """Read all of raw_data."""
    ledger = Ledger()
    names = [*RAW_DATA.partition, "usagepoint", "hour", "minute", "second", "voltage"]
    with Scan(archive, keyspace) as scan:
        for page in scan.everything(RAW_DATA, names):
            days = _days(page)
            clock = (page["hour"] * 60 + page["minute"]) * 60 + page["second"]
            ledger.add(
                np.asarray(page["line"]),
                np.asarray(page["transformer"]),
                np.asarray(page["usagepoint"]),
                days * DAY_SECONDS + clock,
                np.asarray(page["voltage"], np.float32),
            )
    return ledger


def averages_of_cassandra(archive, keyspace: str) -> dict[tuple, float]:
    """Read what `batch averages` has written, by partition."""
    found = {}
    names = [*RAW_DATA.partition, "voltage_avg"]
    with Scan(archive, keyspace) as scan:
        for page in scan.everything(AVERAGES, names):
            columns = (page["line"], page["transformer"], _days(page))
            keys = zip(*(column.tolist() for column in columns), strict=True)
            found |= zip(keys, page["voltage_avg"].tolist(), strict=True)
    return found


def _days(page) -> np.ndarray:
    dates = zip(page["year"], page["month"], page["day"], strict=True)
    texts = [f"{year:04}-{month:02}-{day:02}" for year, month, day in dates]
    return np.array(texts, "M8[D]").astype(np.int64)


async def of_kafka(servers: str, topic: str, lanes: int) -> Ledger:
    """Read all frames of the readings' topic, as JSON and nothing of ours."""
    ledger = Ledger()
    async for frame in _frames(servers, topic, lanes):
        if frame["sequence"]:
            ledger.add(
                np.array(frame["line"]),
                np.array(frame["transformer"]),
                np.array(frame["usagepoint"]),
                np.array(frame["timestamp"]),
                np.array(frame["voltage"], np.float32),
            )
    return ledger


async def _frames(servers: str, topic: str, lanes: int) -> Iterator[dict]:
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(topic, lane) for lane in range(lanes)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        for place, begin in (await consumer.beginning_offsets(places)).items():
            consumer.seek(place, begin)
        while any([await consumer.position(p) < ends[p] for p in places]):
            batch = await consumer.getmany(timeout_ms=1_000)
            for messages in batch.values():
                for message in messages:
                    yield orjson.loads(message.value)
    finally:
        await consumer.stop()
