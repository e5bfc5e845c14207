"""Readings as columns, and the lane that a transformer belongs to."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["EXTRA_COLUMNS", "KEY_MAX", "Readings", "lane_of"]

EXTRA_COLUMNS = ("demand", *(f"val{number}" for number in range(3, 13)))
"""The seed's columns beside the voltage: demand and val3 to val12."""

KEY_MAX = 2**31 - 1
"""Largest line, transformer or usage point: Cassandra's int."""

COLUMNS = ("sequence", "timestamp", "line", "transformer", "usagepoint", "voltage")
FNV_OFFSET = 0x811C9DC5
FNV_PRIME = 0x01000193


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Columns of equal length, one row per reading.

    sequence (int64) is the position in the JetStream stream, timestamp (int64) epoch
    seconds UTC, line, transformer and usagepoint int32, voltage float32 volts; extra
    holds the seed's other columns by name, float32, and may be empty.
    """

    sequence: NDArray[np.int64]
    timestamp: NDArray[np.int64]
    line: NDArray[np.int32]
    transformer: NDArray[np.int32]
    usagepoint: NDArray[np.int32]
    voltage: NDArray[np.float32]
    extra: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.sequence)

    @staticmethod
    def empty() -> "Readings":
        """Return no rows."""
        return Readings(
            sequence=np.empty(0, np.int64),
            timestamp=np.empty(0, np.int64),
            line=np.empty(0, np.int32),
            transformer=np.empty(0, np.int32),
            usagepoint=np.empty(0, np.int32),
            voltage=np.empty(0, np.float32),
        )

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> "Readings":
        """Return some of the rows, with all their columns."""
        return Readings(
            **{name: getattr(self, name)[rows] for name in COLUMNS},
            extra={name: column[rows] for name, column in self.extra.items()},
        )

    @staticmethod
    def concatenate(parts: "list[Readings]") -> "Readings":
        """Return the rows of all parts in their order; extra columns where all have."""
        if len(parts) == 1:
            return parts[0]
        common = set.intersection(*(set(part.extra) for part in parts))
        return Readings(
            **{
                name: np.concatenate([getattr(part, name) for part in parts])
                for name in COLUMNS
            },
            extra={
                name: np.concatenate([part.extra[name] for part in parts])
                for name in parts[0].extra
                if name in common
            },
        )


def lane_of(line: int, transformer: int, lanes: int) -> int:
    """Return the lane of a transformer, as nats-server's `partition(n, 1, 2)` does.

    FNV-1a, 32 bits, over the two subject tokens without their separator, modulo the
    number of lanes (nats-server, subject_transform.go).

    >>> lane_of(11, 3, 8)
    4
    """
    digest = FNV_OFFSET
    for byte in f"{line}{transformer}".encode():
        digest = ((digest ^ byte) * FNV_PRIME) & 0xFFFFFFFF
    return digest % lanes
