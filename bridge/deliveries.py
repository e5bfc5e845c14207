"""What the server says of pulled messages, in the subjects that acknowledge them.

    $JS.ACK.<stream>.<consumer>.<tries>.<stream seq>.<consumer seq>.<ns>.<pending>
    $JS.ACK.<domain>.<account>.<stream>.<consumer>.<tries>.<stream seq>.…[.<token>]

Read as columns: subjects of one length mostly have their digits in the same places, so
that one product with powers of ten reads them all.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Deliveries", "read_deliveries"]

PLAIN_TOKENS = 9
PLAIN_FIRST, DOMAIN_FIRST = 5, 7  # where the stream sequence stands
FIELDS = 4
NANOSECONDS = 1e-9
DIGITS_MAX = 19
ALIGNED_MIN = 16  # below that many, a product is not worth its start
DOT, ZERO = ord("."), ord("0")


class Deliveries(NamedTuple):
    """Stream sequence, consumer sequence, arrival (epoch s) and messages left."""

    sequence: NDArray[np.int64]
    consumer_sequence: NDArray[np.int64]
    arrival: NDArray[np.float64]
    pending: int


def read_deliveries(subjects: Sequence[bytes]) -> Deliveries:
    """Return what acknowledgement subjects, at least one, say.

    >>> read_deliveries([b"$JS.ACK.RAW.lane-3.1.901.7.1700000000500000000.42"])[3]
    42

    Raises:
        ValueError: One of them is none.
    """
    lengths = set(map(len, subjects))
    if len(lengths) == 1:
        columns = _of_one_length(subjects)
    else:
        columns = np.empty((FIELDS, len(subjects)), np.int64)
        for length in lengths:
            chosen = [at for at, text in enumerate(subjects) if len(text) == length]
            columns[:, chosen] = _of_one_length([subjects[at] for at in chosen])
    sequence, consumer_sequence, nanoseconds, pending = columns
    return Deliveries(
        sequence, consumer_sequence, nanoseconds * NANOSECONDS, int(pending[-1])
    )


def _of_one_length(subjects: Sequence[bytes]) -> NDArray[np.int64]:
    columns = _aligned(subjects) if len(subjects) >= ALIGNED_MIN else None
    return _one_by_one(subjects) if columns is None else columns


def _aligned(subjects: Sequence[bytes]) -> NDArray[np.int64] | None:
    """Read subjects whose dots stand in the same places; None where they do not."""
    width = len(subjects[0])
    letters = np.frombuffer(b"".join(subjects), np.uint8).reshape(-1, width)
    dots = np.flatnonzero(letters[0] == DOT)
    if len(dots) < PLAIN_TOKENS - 1 or not (letters[:, dots] == DOT).all():
        return None
    edges = [*dots.tolist(), width]
    first = _first_field(len(edges))
    columns = []
    for begin, end in zip(
        edges[first - 1 :], edges[first : first + FIELDS], strict=False
    ):
        digits = letters[:, begin + 1 : end] - ZERO  # wraps: what is no digit is large
        if not 0 < digits.shape[1] <= DIGITS_MAX or (digits > 9).any():
            return None
        powers = 10 ** np.arange(digits.shape[1] - 1, -1, -1, dtype=np.int64)
        columns.append(digits @ powers)
    return np.array(columns)


def _one_by_one(subjects: Sequence[bytes]) -> NDArray[np.int64]:
    rows = []
    for subject in subjects:
        tokens = subject.split(b".")
        first = _first_field(len(tokens))
        rows.append([int(token) for token in tokens[first : first + FIELDS]])
    return np.ascontiguousarray(np.array(rows, np.int64).T)


def _first_field(tokens: int) -> int:
    if tokens < PLAIN_TOKENS:
        raise ValueError("no subject of an acknowledgement")
    return PLAIN_FIRST if tokens == PLAIN_TOKENS else DOMAIN_FIRST
