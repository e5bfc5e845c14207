"""How many meters there are, and what they are called."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.readings import KEY_MAX

__all__ = ["LINES_PER_SLOT", "SLOT_MAX", "Counts", "Meters", "counts", "meters"]

LINES_PER_SLOT = 10
SLOT_MAX = KEY_MAX // LINES_PER_SLOT - 1
JAVA_BASE = 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Lines, transformers per line and usage points per transformer."""

    lines: int
    transformers: int
    usagepoints: int

    @property
    def meters(self) -> int:
        """All usage points."""
        return self.lines * self.transformers * self.usagepoints


@dataclass(frozen=True, slots=True, kw_only=True)
class Meters:
    """Columns of one row per meter, usage point fastest; code is Java's hash."""

    line: NDArray[np.int32]
    transformer: NDArray[np.int32]
    usagepoint: NDArray[np.int32]
    code: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.line)


def counts(rate: int) -> Counts:
    """Return the population of a rate, about one meter for each reading per second.

    >>> counts(500)
    Counts(lines=1, transformers=7, usagepoints=71)

    Raises:
        ValueError: The rate is below 1, or needs more lines than a slot has.
    """
    if rate < 1:
        raise ValueError("at least one meter is needed")
    line_transformers = _cube_root(rate)
    lines = _cube_root(line_transformers)
    if lines >= LINES_PER_SLOT:
        raise ValueError(f"a slot has {LINES_PER_SLOT - 1} lines, {lines} are needed")
    transformers = line_transformers // lines
    return Counts(
        lines=lines,
        transformers=transformers,
        usagepoints=rate // (lines * transformers),
    )


def meters(population: Counts, slot: int) -> Meters:
    """Return the meters of a slot; its lines are 10 * slot + 1 and following.

    Slots never share a line, so that simulators need not know of each other.

    Raises:
        ValueError: No such slot.
    """
    if not 1 <= slot <= SLOT_MAX:
        raise ValueError(f"a slot is from 1 to {SLOT_MAX}")
    line, transformer, usagepoint = (
        axis.astype(np.int32).ravel()
        for axis in np.meshgrid(
            np.arange(1, population.lines + 1) + LINES_PER_SLOT * slot,
            np.arange(1, population.transformers + 1),
            np.arange(1, population.usagepoints + 1),
            indexing="ij",
        )
    )
    return Meters(
        line=line,
        transformer=transformer,
        usagepoint=usagepoint,
        code=_codes(line, transformer, usagepoint, population.usagepoints),
    )


def _cube_root(number: int) -> int:
    root = round(math.cbrt(number))
    return root if root**3 <= number else root - 1


def _codes(
    line: NDArray[np.int32],
    transformer: NDArray[np.int32],
    usagepoint: NDArray[np.int32],
    usagepoints: int,
) -> NDArray[np.int64]:
    """Return Java's hash of "line.transformer.usagepoint" for each meter.

    hash(a + b) = hash(a) * 31 ** len(b) + hash(b): a million meters need not be
    spelled out one by one.
    """
    suffixes = [str(number) for number in range(1, usagepoints + 1)]
    ends = np.array([_java_hash(suffix) for suffix in suffixes], np.uint32)
    powers = np.array([pow(JAVA_BASE, len(s), 2**32) for s in suffixes], np.uint32)
    starts = np.array(
        [
            _java_hash(f"{a}.{b}.")
            for a, b in zip(
                line[::usagepoints].tolist(),
                transformer[::usagepoints].tolist(),
                strict=True,
            )
        ],
        np.uint32,
    )
    at = usagepoint - 1
    wrapped = np.repeat(starts, usagepoints) * powers[at] + ends[at]
    return wrapped.view(np.int32).astype(np.int64)


def _java_hash(text: str) -> int:
    digest = 0
    for character in text:
        digest = (digest * JAVA_BASE + ord(character)) & 0xFFFFFFFF
    return digest
