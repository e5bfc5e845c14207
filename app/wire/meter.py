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
from app.wire.limits import TIME_SECONDS_END, Limits, parse_key
from app.wire.raw import RawColumns, RawMessage, Rejected

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
KEYS_CACHED_MAX = 1 << 18  # about 50 MB
KEYS_GROWTH = 1 << 12
COLUMNS = ("voltage", *EXTRA_COLUMNS)
READING = np.dtype([("timestamp", ">i8"), ("values", ">f4", (len(COLUMNS),))])
READING_BYTES = READING.itemsize
PACKED_READING = struct.Struct(f">q{len(COLUMNS)}f")

Key = tuple[int, int, int]
"""Line, transformer and usage point; the last is 0 for a batch."""


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
        self._numbers: dict[bytes, int] = {}
        self._keys = np.empty((KEYS_GROWTH, 3), np.int32)

    def decode(self, messages: Sequence[RawMessage] | RawColumns) -> Decoded:
        """Return the rows and the rejections of messages in stream order.

        Never raises for what a message holds: each one becomes rows or rejections.
        """
        if not isinstance(messages, RawColumns):
            messages = RawColumns.of(messages)
        if len(self._numbers) >= KEYS_CACHED_MAX:
            self._numbers.clear()
        numbers = list(map(self._numbers.get, messages.subjects))
        if None in numbers:
            numbers = list(map(self._number, messages.subjects))
        if None not in numbers and (joined := _all_binary(messages.payloads)):
            readings = self._unpack(messages.sequence, joined, numbers)
            if self._plausible(readings, messages.arrival).all():
                return Decoded(readings, [])
        return self._sort_out(messages, numbers)

    def _number(self, subject: bytes) -> int | None:
        """Return the place of a subject's key; None where it is no good subject."""
        number = self._numbers.get(subject)
        if number is not None:
            return number
        try:
            key = self._key(subject)
        except RejectedMessage:
            return None
        number = len(self._numbers)
        if number >= len(self._keys):
            more = np.empty((KEYS_GROWTH, 3), np.int32)
            self._keys = np.concatenate([self._keys, more])
        self._numbers[subject] = number
        self._keys[number] = key
        return number

    def _key(self, subject: bytes) -> Key:
        """Return what a subject names; 0 for the usage point of a batch.

        Raises:
            RejectedMessage: SUBJECT or KEY.
        """
        prefix, *tokens = subject.decode(errors="replace").rsplit(".", 3)
        if len(tokens) != 3 or prefix.rpartition(".")[0] != self._lane_subject:
            raise RejectedMessage(
                Reason.SUBJECT, "not <base>.data.<line>.<transformer>.<usagepoint>"
            )
        line, transformer, last = tokens
        usagepoint = 0 if last == BATCH else parse_key(last)
        return parse_key(line), parse_key(transformer), usagepoint

    def _unpack(
        self, sequence: NDArray[np.int64], joined: bytes, numbers: Sequence[int | None]
    ) -> Readings:
        packed = np.frombuffer(joined, READING)
        line, transformer, usagepoint = self._keys[np.array(numbers, np.intp)].T
        voltage, *extra = np.ascontiguousarray(packed["values"].T, np.float32)
        return Readings(
            sequence=sequence,
            timestamp=packed["timestamp"].astype(np.int64),
            line=np.ascontiguousarray(line),
            transformer=np.ascontiguousarray(transformer),
            usagepoint=np.ascontiguousarray(usagepoint),
            voltage=voltage,
            extra=dict(zip(EXTRA_COLUMNS, extra, strict=True)),
        )

    def _plausible(
        self, rows: Readings, arrival: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        limits = self._limits
        with np.errstate(invalid="ignore"):  # signalling NaN
            good: NDArray[np.bool_] = (
                (rows.usagepoint > 0)
                & (rows.voltage >= limits.voltage_volts_min)
                & (rows.voltage <= limits.voltage_volts_max)
                & (rows.timestamp > 0)
                & (rows.timestamp < TIME_SECONDS_END)
                & (rows.timestamp <= arrival + limits.clock_skew_seconds_max)
            )
        for column in rows.extra.values():
            good &= np.isfinite(column)
        return good

    def _sort_out(self, messages: RawColumns, numbers: Sequence[int | None]) -> Decoded:
        """Decode messages of all kinds, good and bad ones."""
        rows = _JsonRows()
        rejected: list[tuple[int, Rejected]] = []
        is_binary = np.zeros(len(messages), np.bool_)
        for index, subject in enumerate(messages.subjects):
            number = numbers[index]
            try:
                key = self._key(subject) if number is None else self._keys[number]
                is_binary[index] = self._is_binary(messages.payloads[index])
                if not is_binary[index]:
                    message = messages[index]
                    bad = self._add_json(rows, index, message, key)
                    rejected += [(index, each) for each in bad]
            except RejectedMessage as error:
                why = Rejected(messages[index], error.reason, error.detail)
                rejected.append((index, why))
        chosen = np.flatnonzero(is_binary)
        binary = messages.take(is_binary)
        readings = self._unpack(
            binary.sequence,
            b"".join(binary.payloads),
            [numbers[index] for index in chosen.tolist()],
        )
        good = self._plausible(readings, binary.arrival)
        for at in np.flatnonzero(~good).tolist():
            try:
                self._judge(readings, at, float(binary.arrival[at]))
                good[at] = True
            except RejectedMessage as error:
                why = Rejected(binary[at], error.reason, error.detail)
                rejected.append((int(chosen[at]), why))
        rejected.sort(key=lambda entry: entry[0])
        together = rows.merged(chosen[good], readings.take(good))
        return Decoded(together, [each for _, each in rejected])

    def _is_binary(self, payload: bytes) -> bool:
        self._limits.check_size(payload)
        if meter_json.is_json(payload):
            return False
        if len(payload) != READING_BYTES:
            raise RejectedMessage(
                Reason.LENGTH, f"{len(payload)} bytes, neither {READING_BYTES} nor JSON"
            )
        return True

    def _add_json(
        self,
        rows: "_JsonRows",
        index: int,
        message: RawMessage,
        key: Sequence[int] | NDArray[np.int32],
    ) -> list[Rejected]:
        """Add the readings of a JSON message; return its entries that are of no use."""
        line, transformer, usagepoint = (int(number) for number in key)
        entries = meter_json.decode_entries(
            message.payload, usagepoint, message.arrival, self._limits
        )
        for entry in entries.good:
            rows.index.append(index)
            place = (message.sequence, entry.timestamp, line, transformer)
            rows.rows.append((*place, entry.usagepoint, *entry.values))
        return [
            Rejected(message._replace(payload=payload), error.reason, error.detail)
            for payload, error in entries.bad
        ]

    def _judge(self, rows: Readings, at: int, arrival: float) -> None:
        """Judge a reading by the same rules and words as JSON."""
        if not rows.usagepoint[at]:
            raise RejectedMessage(Reason.JSON, "a batch is a JSON array")
        values = {"voltage": rows.voltage, **rows.extra}
        for name, column in values.items():
            if not math.isfinite(column[at]):
                raise RejectedMessage(Reason.NOT_A_NUMBER, f"{name} is {column[at]}")
        self._limits.check_voltage(float(rows.voltage[at]))
        self._limits.check_time(int(rows.timestamp[at]), arrival)


class _JsonRows:
    """Readings from JSON: the place of each one's message, and its columns as a row."""

    def __init__(self) -> None:
        self.index: list[int] = []
        self.rows: list[tuple[float, ...]] = []

    def merged(self, index: NDArray[np.intp], readings: Readings) -> Readings:
        """Return these and other readings in the order of their messages."""
        if not self.rows:
            return readings
        names = ("sequence", "timestamp", "line", "transformer", "usagepoint")
        columns = [*zip(*self.rows, strict=True)]
        ours = Readings(
            **{
                name: np.array(column, getattr(readings, name).dtype)
                for name, column in zip((*names, "voltage"), columns, strict=False)
            },
            extra={
                name: np.array(column, np.float32)
                for name, column in zip(EXTRA_COLUMNS, columns[6:], strict=True)
            },
        )
        order = np.argsort(np.concatenate([self.index, index]), kind="stable")
        return Readings.concatenate([ours, readings]).take(order)


def _all_binary(payloads: Sequence[bytes]) -> bytes:
    """Return payloads joined if all are binary readings, or nothing."""
    if set(map(len, payloads)) != {READING_BYTES}:
        return b""
    joined = b"".join(payloads)
    return joined if meter_json.JSON_STARTS.isdisjoint(joined[::READING_BYTES]) else b""
