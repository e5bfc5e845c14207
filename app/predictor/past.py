"""What was foreseen of the last windows, for people to hold beside what came.

A snapshot has it, so that who takes a lane over shows what the former owner foresaw.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.predictor.pending import Pending
from app.predictor.rows import cut, joined, numbers, rows_of, split
from app.predictor.state import State, column

__all__ = ["ROWS_MAX", "WINDOWS_MAX", "Past", "Said", "said_of"]

WINDOWS_MAX = 96  # a day of the seed's quarter hours, as its page shows
ROWS_MAX = 250_000
COLUMNS = ("probability", "foretold")


@dataclass(slots=True, kw_only=True)
class Said:
    """What was foreseen of a window, a row per transformer; made when, epoch seconds.

    key is sorted; probability and foretold (volts) are float32.
    """

    made: int
    key: NDArray[np.int64]
    probability: NDArray[np.float32]
    foretold: NDArray[np.float32]


def said_of(waiting: Pending) -> Said:
    """Return what predictions say, without how it was found; its columns are theirs."""
    return Said(
        made=waiting.made,
        key=waiting.key,
        probability=waiting.column(waiting.champion),
        foretold=waiting.column("foretold"),
    )


class Past:
    """What was foreseen of the last windows that closed, by start."""

    def __init__(self) -> None:
        self._windows: deque[tuple[int, Said]] = deque()
        self.rows = 0

    def __len__(self) -> int:
        return len(self._windows)

    def __iter__(self) -> Iterator[tuple[int, Said]]:
        return iter(self._windows)

    def remember(self, start: int, predictions: Iterable[Pending]) -> None:
        """Keep what was foreseen of a window that closes now; drop the oldest."""
        if self._windows and self._windows[-1][0] == start:
            return  # a straggler's; it was foreseen with the rest, or not at all
        for waiting in predictions:
            said = said_of(waiting)
            if len(said.key) > 1:
                # Copies, so that the other columns can go.
                said.probability = said.probability.copy()
                said.foretold = said.foretold.copy()
            self._add(start, said)

    def _add(self, start: int, said: Said) -> None:
        self._windows.append((start, said))
        self.rows += len(said.key)
        while len(self._windows) > WINDOWS_MAX or self.rows > ROWS_MAX:
            _, oldest = self._windows.popleft()
            self.rows -= len(oldest.key)

    def head(self) -> dict[str, Any]:
        """Return the columns that the first part of a state has of it."""
        return {
            "start": [start for start, _ in self._windows],
            "made": [said.made for _, said in self._windows],
        }

    def dump(self, key: NDArray[np.int64]) -> Iterator[dict[str, Any]]:
        """Yield its rows in parts of bounded size; key are all transformers, sorted."""
        every = [said for _, said in self._windows]
        of = [np.searchsorted(key, said.key) for said in every]
        columns = {
            "number": numbers([len(said.key) for said in every]),
            "of": np.concatenate([np.empty(0, np.int64), *of]),
            **{name: joined([getattr(s, name) for s in every]) for name in COLUMNS},
        }
        yield from cut("past", columns)

    def load(self, head: State, bodies: list[State], key: NDArray[np.int64]) -> None:
        """Become what parts describe.

        Raises:
            RejectedState: They are malformed; names what is wrong.
        """
        starts = column(head, "start", np.int64)
        made = column(head, "made", np.int64, len(starts))
        rows = rows_of("past", bodies, COLUMNS, len(key))
        parts = split(rows, len(starts))
        for start, at, part in zip(starts, made, parts, strict=True):
            said = Said(
                made=int(at),
                key=key[part["of"]],
                probability=part["probability"],
                foretold=part["foretold"],
            )
            self._add(int(start), said)
