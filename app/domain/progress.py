"""How far each partition of a log has been worked off, in order and without a hole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

__all__ = ["Admission", "Place", "Progress"]

Place = tuple[str, int]
"""A topic and a partition of it."""


class Admission(Enum):
    """What an offset is to a partition's progress."""

    NEXT = "next"  # take it
    SEEN = "seen"  # it was taken before
    HOLE = "hole"  # those before it have not come


@dataclass(slots=True)
class Progress:
    """Offsets taken and done by partition; what is done may be committed.

    >>> progress = Progress()
    >>> progress.begin(("readings", 0), 40)
    >>> progress.admit(("readings", 0), 40), progress.admit(("readings", 0), 42)
    (<Admission.NEXT: 'next'>, <Admission.HOLE: 'hole'>)
    >>> progress.done({("readings", 0): 40})
    >>> progress.committable()
    {('readings', 0): 41}
    """

    _expected: dict[Place, int] = field(default_factory=dict)
    _done: dict[Place, int] = field(default_factory=dict)
    _committed: dict[Place, int] = field(default_factory=dict)

    def knows(self, place: Place) -> bool:
        """Return whether the partition has begun."""
        return place in self._expected

    def begin(self, place: Place, offset: int) -> None:
        """Expect a partition to go on at an offset, up to which all is done."""
        self._expected[place] = offset
        self._done[place] = self._committed[place] = offset

    def forget(self) -> None:
        """Forget all partitions: they may be another worker's now."""
        self._expected.clear()
        self._done.clear()
        self._committed.clear()

    def admit(self, place: Place, offset: int) -> Admission:
        """Take an offset if it is the one that comes next."""
        expected = self._expected[place]
        if offset < expected:
            return Admission.SEEN
        if offset > expected:
            return Admission.HOLE
        self._expected[place] = offset + 1
        return Admission.NEXT

    def done(self, last: Mapping[Place, int]) -> None:
        """Note the last offset done of partitions; one that was forgotten is left."""
        for place, offset in last.items():
            if place in self._done:
                self._done[place] = max(self._done[place], offset + 1)

    def committable(self) -> dict[Place, int]:
        """Return where partitions go on, if that has moved since it was committed."""
        return {
            place: offset
            for place, offset in self._done.items()
            if offset > self._committed[place]
        }

    def committed(self, offsets: Mapping[Place, int]) -> None:
        """Note that offsets are committed."""
        for place, offset in offsets.items():
            if place in self._committed:
                self._committed[place] = offset

    @property
    def positions(self) -> Mapping[Place, int]:
        """Where each partition goes on: everything before it is done."""
        return self._done
