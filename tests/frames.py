"""Frames for the tests of whatever reads the readings topic, and their oracle."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from app.domain.readings import EXTRA_COLUMNS, Readings, lane_of
from app.wire.frames import Frame, encode_frame

__all__ = ["LANES", "frames_of", "made_up_rows", "rows_expected"]

LANES = 8
START = 1_700_000_100
Row = dict[str, Any]


def made_up_rows(count: int, seed: int) -> list[Row]:
    """Return readings as dictionaries: repeated keys, days that turn, absent values."""
    chooser = random.Random(seed)
    rows = []
    for number in range(count):
        row: Row = {
            "timestamp": START + number * 172_800 // count - chooser.randrange(60),
            "line": chooser.choice((11, 12)),
            "transformer": chooser.randint(1, 9),
            "usagepoint": chooser.randint(1, 60),
            "voltage": float(np.float32(chooser.gauss(116, 2))),
        }
        for name in EXTRA_COLUMNS:
            # One in three brings no more than a demand, as JSON payloads do.
            absent = number % 3 == 0 and name != "demand"
            value = float(np.float32(chooser.random()))
            row[name] = None if absent else value
        rows.append(row)
    return rows


def frames_of(rows: list[Row], size: int) -> Iterator[tuple[int, bytes]]:
    """Yield (partition, value) of frames with at most `size` rows each, in order."""
    lanes: dict[int, list[Row]] = {lane: [] for lane in range(LANES)}
    sequence = 0
    for row in rows:
        lane = lane_of(row["line"], row["transformer"], LANES)
        lanes[lane].append(row)
        if len(lanes[lane]) == size:
            yield lane, _frame(lane, sequence, lanes[lane])
            sequence += size
            lanes[lane] = []
    for lane, rest in lanes.items():
        if rest:
            yield lane, _frame(lane, sequence, rest)
            sequence += len(rest)


def _frame(lane: int, sequence: int, rows: list[Row]) -> bytes:
    def column(name: str, dtype: Any) -> Any:
        values = [np.nan if row[name] is None else row[name] for row in rows]
        return np.array(values, dtype)

    return encode_frame(
        Frame(
            lane=lane,
            first=sequence + 1,
            last=sequence + len(rows),
            watermark=max(row["timestamp"] for row in rows),
            readings=Readings(
                sequence=np.arange(sequence + 1, sequence + 1 + len(rows)),
                timestamp=column("timestamp", np.int64),
                line=column("line", np.int32),
                transformer=column("transformer", np.int32),
                usagepoint=column("usagepoint", np.int32),
                voltage=column("voltage", np.float32),
                extra={name: column(name, np.float32) for name in EXTRA_COLUMNS},
            ),
        )
    )


def rows_expected(rows: list[Row]) -> dict[tuple[int, ...], Row]:
    """Return by meter and second what is stored: the last value of each column."""
    stored: dict[tuple[int, ...], Row] = {}
    for row in rows:
        key = tuple(
            row[name] for name in ("line", "transformer", "usagepoint", "timestamp")
        )
        kept = stored.setdefault(key, dict.fromkeys(row))
        kept.update((name, value) for name, value in row.items() if value is not None)
    return stored
