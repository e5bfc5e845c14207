"""Count and checksum of readings by partition of raw_data, from two places.

Each reading becomes one number; the checksum of a partition is their sum modulo 2**64,
so that the order does not matter, and one that is lost, twice or changed shows.
"""

from collections.abc import Iterator

import numpy as np
import orjson
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from app.sinks.scan import Scan
from app.sinks.tables import RAW_DATA

__all__ = ["Ledger", "of_cassandra", "of_kafka"]

DAY_SECONDS = 86_400
MIXERS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], "u8")


class Ledger:
    """(line, transformer, day) with the count and the checksum of its readings."""

    def __init__(self) -> None:
        self.partitions: dict[tuple[int, int, int], tuple[int, int]] = {}

    def __len__(self) -> int:
        return sum(count for count, _ in self.partitions.values())

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
            mine = mixed[place.reshape(-1) == at] if len(keys) > 1 else mixed
            count, checksum = self.partitions.get(key, (0, 0))
            checksum = (checksum + int(mine.sum(dtype="u8"))) % 2**64
            self.partitions[key] = count + len(mine), checksum


def of_cassandra(archive, keyspace: str) -> Ledger:
    """Read all of raw_data."""
    ledger = Ledger()
    names = [*RAW_DATA.partition, "usagepoint", "hour", "minute", "second", "voltage"]
    with Scan(archive, keyspace) as scan:
        for page in scan.everything(RAW_DATA, names):
            days = np.array(
                [
                    f"{year:04}-{month:02}-{day:02}"
                    for year, month, day in zip(
                        page["year"], page["month"], page["day"], strict=True
                    )
                ],
                "M8[D]",
            ).astype(np.int64)
            clock = (page["hour"] * 60 + page["minute"]) * 60 + page["second"]
            ledger.add(
                np.asarray(page["line"]),
                np.asarray(page["transformer"]),
                np.asarray(page["usagepoint"]),
                days * DAY_SECONDS + clock,
                np.asarray(page["voltage"], np.float32),
            )
    return ledger


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
