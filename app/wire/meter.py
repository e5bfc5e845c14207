"""Readings as meters publish them on NATS: encode one or many, decode very many.

A payload is 56 bytes, big-endian: int64 epoch seconds and 12 float32 (voltage, demand,
val3 to val12), or JSON (meter_json). The key stands in the subject alone. The stream's
transform stores it as `<lane subject>.<lane>.<line>.<transformer>.<usagepoint>`, and
batches, which are JSON arrays, as `<lane subject>.<lane>.<line>.<transformer>.batch`.
"""

import math
import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.domain.readings import EXTRA_COLUMNS, Readings
from app.errors import Reason, RejectedMessage
from app.wire import meter_json
from app.wire.limits import (
    TIME_SECONDS_END,
    Limits,
    parse_key,
)

__all__ = [
    "BATCH",
    "READING_BYTES",
    "Decoded",
    "Limits",
    "RawMessage",
    "ReadingDecoder",
    "Rejected",
    "encode_reading",
    "encode_readings",
]

BATCH = "batch"
ALL = 0  # the usage point of a batch
KEYS_CACHED_MAX = 1 << 18  # about 50 MB
COLUMNS = ("voltage", *EXTRA_COLUMNS)
READING = np.dtype([("timestamp", ">i8"), ("values", ">f4", (len(COLUMNS),))])
READING_BYTES = READING.itemsize
ROW = np.dtype(
    [
        ("index", np.int64),  # place of the message among those decoded together
        ("sequence", np.int64),
        ("timestamp", np.int64),
        ("key", np.int32, (3,)),
        ("values", np.float32, (len(COLUMNS),)),
    ]
)
PACKED_READING = struct.Struct(f">q{len(COLUMNS)}f")

Key = tuple[int, int, int]
"""Line, transformer and usage point."""


class RawMessage(NamedTuple):
    """A message as JetStream stored it; arrival in epoch seconds."""

    subject: str
    payload: bytes
    sequence: int
    arrival: float


class Rejected(NamedTuple):
    """A message, or one entry of a batch as a message, and why it is of no use."""

    message: RawMessage
    reason: Reason
    detail: str


class Decoded(NamedTuple):
    """Rows in the order of their messages, and what was rejected, in the same order.

    All rows of a message carry its stream sequence, so that they must stay in one
    frame: whoever drops what it has seen by sequence would drop the second half.
    """

    readings: Readings
    rejected: list[Rejected]


def encode_reading(
    epoch: int,
    voltage: float,
    demand: float = 0.0,
    others: Sequence[float] = (0.0,) * 10,
) -> bytes:
    """Return one reading as 56 bytes.

    >>> encode_reading(1479537858, 112.23)[:12].hex()
    '00000000582ff4c242e075c3'
    """
    return PACKED_READING.pack(epoch, voltage, demand, *others)


def encode_readings(
    timestamp: NDArray[np.int64], values: NDArray[np.float32]
) -> list[bytes]:
    """Return a payload per row of values, (n, 12): voltage, demand, val3 to val12."""
    rows = np.empty(len(values), READING)
    rows["timestamp"] = timestamp
    rows["values"] = values
    joined = rows.tobytes()
    return [
        joined[at : at + READING_BYTES] for at in range(0, len(joined), READING_BYTES)
    ]


class ReadingDecoder:
    """Decodes the readings of one lane, many messages at a time.

    It keeps the keys of the subjects that it has seen (a bounded number), because
    parsing a subject costs more than all the rest of a reading.
    """

    def __init__(self, lane_subject: str, limits: Limits) -> None:
        self._lane_subject = lane_subject
        self._limits = limits
        self._keys: dict[str, Key] = {}

    def decode(self, messages: Sequence[RawMessage]) -> Decoded:
        """Return the rows and the rejections of messages in stream order.

        Never raises for what a message holds: each one becomes rows or rejections.
        """
        keys: list[Key | None] = [self._keys.get(message[0]) for message in messages]
        sorted_out = _SortedOut()
        if None not in keys and _all_binary(messages):
            sorted_out.binary.extend(range(len(messages)))
        else:
            for index, message in enumerate(messages):
                try:
                    key = keys[index] = keys[index] or self._key(message[0])
                    self._sort_out(index, message, key, sorted_out)
                except RejectedMessage as rejection:
                    sorted_out.reject(index, message, rejection)
        if sorted_out.binary:
            self._decode_binary(messages, keys, sorted_out)
        sorted_out.rejected.sort(key=lambda entry: entry[0])
        return Decoded(
            _readings(sorted_out.blocks), [entry[1] for entry in sorted_out.rejected]
        )

    def _key(self, subject: str) -> Key:
        prefix, *tokens = subject.rsplit(".", 3)
        if len(tokens) != 3 or prefix.rpartition(".")[0] != self._lane_subject:
            raise RejectedMessage(
                Reason.SUBJECT, "not <base>.data.<line>.<transformer>.<usagepoint>"
            )
        line, transformer, last = tokens
        usagepoint = ALL if last == BATCH else parse_key(last)
        key = parse_key(line), parse_key(transformer), usagepoint
        if len(self._keys) >= KEYS_CACHED_MAX:
            self._keys.clear()
        self._keys[subject] = key
        return key

    def _sort_out(
        self, index: int, message: RawMessage, key: Key, sorted_out: "_SortedOut"
    ) -> None:
        """Decode JSON, and leave binary messages to be decoded together."""
        _, payload, sequence, arrival = message
        self._limits.check_size(payload)
        if meter_json.is_json(payload):
            entries = meter_json.decode_entries(payload, key[2], arrival, self._limits)
            sorted_out.blocks.append(_entry_rows(index, sequence, key, entries.good))
            for entry, rejection in entries.bad:
                letter = RawMessage(*message)._replace(payload=entry)
                sorted_out.reject(index, letter, rejection)
        elif len(payload) == READING_BYTES:
            sorted_out.binary.append(index)
        else:
            raise RejectedMessage(
                Reason.LENGTH, f"{len(payload)} bytes, neither {READING_BYTES} nor JSON"
            )

    def _decode_binary(
        self,
        messages: Sequence[RawMessage],
        keys: list[Key | None],
        sorted_out: "_SortedOut",
    ) -> None:
        chosen = [messages[index] for index in sorted_out.binary]
        packed = np.frombuffer(b"".join([message[1] for message in chosen]), READING)
        rows = np.empty(len(chosen), ROW)
        rows["index"] = sorted_out.binary
        rows["sequence"] = [message[2] for message in chosen]
        rows["timestamp"] = packed["timestamp"]
        rows["key"] = [keys[index] for index in sorted_out.binary]
        rows["values"] = packed["values"]
        good = self._plausible(rows, np.array([message[3] for message in chosen]))
        if not good.all():
            # Few: so each is judged by the same rules and words as JSON.
            for at in np.flatnonzero(~good).tolist():
                try:
                    self._judge(rows[at], chosen[at][3])
                    good[at] = True
                except RejectedMessage as rejection:
                    sorted_out.reject(int(rows[at]["index"]), chosen[at], rejection)
            rows = rows[good]
        sorted_out.blocks.append(rows)

    def _plausible(
        self, rows: NDArray[np.void], arrival: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        limits = self._limits
        voltage, timestamp = rows["values"][:, 0], rows["timestamp"]
        with np.errstate(invalid="ignore"):  # signalling NaN
            good: NDArray[np.bool_] = (
                (rows["key"][:, 2] != ALL)
                & np.isfinite(rows["values"]).all(axis=1)
                & (voltage >= limits.voltage_volts_min)
                & (voltage <= limits.voltage_volts_max)
                & (timestamp > 0)
                & (timestamp < TIME_SECONDS_END)
                & (timestamp <= arrival + limits.clock_skew_seconds_max)
            )
        return good

    def _judge(self, row: np.void, arrival: float) -> None:
        if row["key"][2] == ALL:
            raise RejectedMessage(Reason.JSON, "a batch is a JSON array")
        for name, value in zip(COLUMNS, row["values"].tolist(), strict=True):
            if not math.isfinite(value):
                raise RejectedMessage(Reason.NOT_A_NUMBER, f"{name} is {value}")
        self._limits.check_voltage(float(row["values"][0]))
        self._limits.check_time(int(row["timestamp"]), arrival)


class _SortedOut:
    """What became of the messages so far; binary ones are still to be decoded."""

    def __init__(self) -> None:
        self.binary: list[int] = []
        self.blocks: list[NDArray[np.void]] = []
        self.rejected: list[tuple[int, Rejected]] = []

    def reject(
        self, index: int, message: RawMessage, rejection: RejectedMessage
    ) -> None:
        rejected = Rejected(RawMessage(*message), rejection.reason, rejection.detail)
        self.rejected.append((index, rejected))


def _all_binary(messages: Sequence[RawMessage]) -> bool:
    payloads = [message[1] for message in messages]
    if set(map(len, payloads)) != {READING_BYTES}:
        return False
    return meter_json.JSON_STARTS.isdisjoint(b"".join(payloads)[::READING_BYTES])


def _entry_rows(
    index: int, sequence: int, key: Key, entries: Sequence[meter_json.Entry]
) -> NDArray[np.void]:
    rows = np.empty(len(entries), ROW)
    rows["index"] = index
    rows["sequence"] = sequence
    rows["key"][:, :2] = key[:2]
    rows["key"][:, 2] = [entry.usagepoint for entry in entries]
    rows["timestamp"] = [entry.timestamp for entry in entries]
    for row, entry in zip(rows, entries, strict=True):
        row["values"] = entry.values
    return rows


def _readings(blocks: list[NDArray[np.void]]) -> Readings:
    """Return rows as columns in the order of their messages."""
    if len(blocks) == 1:
        rows = blocks[0]
    else:
        rows = np.concatenate([np.empty(0, ROW), *blocks])
        rows = rows[np.argsort(rows["index"], kind="stable")]
    line, transformer, usagepoint = np.ascontiguousarray(rows["key"].T)
    voltage, *extra = np.ascontiguousarray(rows["values"].T)
    return Readings(
        sequence=np.ascontiguousarray(rows["sequence"]),
        timestamp=np.ascontiguousarray(rows["timestamp"]),
        line=line,
        transformer=transformer,
        usagepoint=usagepoint,
        voltage=voltage,
        extra=dict(zip(EXTRA_COLUMNS, extra, strict=True)),
    )
