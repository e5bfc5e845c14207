"""Frames for benchmarks, written straight to Kafka as the bridge would."""

import asyncio
import math
import time
from collections.abc import Iterator

import numpy as np
import orjson
from aiokafka import AIOKafkaProducer

from app.domain.readings import EXTRA_COLUMNS, Readings
from app.wire.frames import Frame, encode_frame

BASE = 1_700_000_100
ROWS = 500


def frames(lane: int, readings: int, transformers: int, starts: int) -> Iterator[Frame]:
    """Frames of one lane, of 500 rows and all the seed's columns.

    Each window start sees every transformer: transformers x starts distinct keys.
    """
    chooser = np.random.default_rng(lane)
    count = readings // ROWS
    per_start = count // starts
    order = np.arange(per_start * ROWS) % transformers
    for number in range(per_start * starts):
        start, within = divmod(number, per_start)
        keys = order[within * ROWS : (within + 1) * ROWS]
        first = number * ROWS + 1
        timestamp = BASE + start * 900 + chooser.integers(0, 900, ROWS)
        yield Frame(
            lane=lane,
            first=first,
            last=first + ROWS - 1,
            watermark=BASE + start * 900 + 899,
            readings=Readings(
                sequence=np.arange(first, first + ROWS),
                timestamp=timestamp,
                line=(10 + lane + 8 * (keys // 1_000)).astype(np.int32),
                transformer=(1 + keys % 1_000).astype(np.int32),
                usagepoint=chooser.integers(1, 50, ROWS).astype(np.int32),
                voltage=np.round(chooser.normal(116, 2, ROWS), 3).astype(np.float32),
                extra={
                    name: chooser.random(ROWS, np.float32) for name in EXTRA_COLUMNS
                },
            ),
        )


async def fill(
    servers: str,
    topic: str,
    lanes: int,
    readings: int,
    transformers: int,
    starts: int,
    *,
    rate: float = math.inf,
) -> int:
    """Write frames to all lanes, at most rate a second; return the readings written."""
    producer = AIOKafkaProducer(
        bootstrap_servers=servers, linger_ms=5, max_batch_size=1 << 20
    )
    await producer.start()
    written = 0
    try:
        makers = [
            frames(lane, readings // lanes, transformers // lanes, starts)
            for lane in range(lanes)
        ]
        began = time.monotonic()
        for row in zip(*makers, strict=True):
            for frame in row:
                await producer.send(topic, encode_frame(frame), partition=frame.lane)
                written += len(frame.readings)
            ahead = began + written / rate - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(ahead)
        await producer.flush()
    finally:
        await producer.stop()
    return written


async def fill_messages(servers: str, topic: str, parts: list[list[Frame]]) -> int:
    """Write frames' readings one by one, as a peer takes them; return how many."""
    producer = AIOKafkaProducer(
        bootstrap_servers=servers, linger_ms=20, max_batch_size=1 << 20
    )
    await producer.start()
    written = 0
    try:
        for frame in (frame for row in zip(*parts, strict=True) for frame in row):
            rows = frame.readings
            for line, transformer, timestamp, voltage in zip(
                rows.line.tolist(),
                rows.transformer.tolist(),
                rows.timestamp.tolist(),
                rows.voltage.tolist(),
                strict=True,
            ):
                key = f"{line}.{transformer}"
                value = {"transformer": key, "timestamp": timestamp, "voltage": voltage}
                await producer.send(
                    topic,
                    orjson.dumps(value),
                    key=key.encode(),
                    partition=frame.lane,
                )
                written += 1
        await producer.flush()
    finally:
        await producer.stop()
    return written
