"""A journal: the changelog of one partition's state, as deltas and snapshots.

Each record says who wrote it (term and owner), which step of the state it is, and up
to which offset of each source topic the state then includes what was read:

    {"v":1,"kind":"delta","term":4,"owner":"…","step":91,
     "offsets":{"smartmeter.readings":1204},"body":{…}}
    {"v":1,"kind":"snapshot","term":5,…,"part":0,"parts":3,"body":{…}}

A worker that takes a partition over begins a new term with a full snapshot. What the
former owner may still write, because it was only paused, comes before that snapshot,
which replaces it, or after it, where its old term gives it away: either way it is
ignored. A repeated record (a producer's retry) is known by its step. So the state read
back is that of exactly one chain of owners, with no lock and no transaction.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import orjson

from app.errors import RejectedState, StateDiverged

__all__ = ["Body", "Journal", "State"]

logger = logging.getLogger(__name__)

VERSION = 1
Body = Mapping[str, Any]


class State(Protocol):
    """What a journal keeps: it changes by deltas, and can be written out whole."""

    def apply_body(self, body: Body) -> None:
        """Add a delta that was read back."""

    def snapshot_bodies(self) -> Iterable[Body]:
        """Return the whole state as one or more parts, each of bounded size."""

    def restore_bodies(self, bodies: list[Body]) -> None:
        """Become the state of a snapshot; the state is new and empty."""


S = TypeVar("S", bound=State)


@dataclass(slots=True)
class _Parts:
    term: int
    owner: str
    step: int
    at: int
    bodies: list[Body] = field(default_factory=list)


class Journal(Generic[S]):
    """One partition's state and the records that make it durable.

    offset is that of the last journal record read or written, offsets are those of the
    source topics. snapshot_at is the offset at which the last snapshot begins; -1 where
    it is not known. begun is for whoever writes the first snapshot of our term to set:
    were it left unfinished, a delta behind it would have nothing to stand on.
    """

    def __init__(self, new_state: Callable[[], S], owner: str) -> None:
        self._new_state = new_state
        self._me = owner
        self._unfinished: dict[tuple[int, str], _Parts] = {}
        self.state: S = new_state()
        self.term = 0
        self.owner = ""
        self.begun = False
        self.step = 0
        self.offset = -1
        self.offsets: dict[str, int] = {}
        self.fenced = 0
        self.snapshot_at = -1
        self._refused: dict[tuple[int, str], int] = {}
        self._bytes_since_snapshot = 0
        self._bytes_of_snapshot = 0

    @property
    def owned(self) -> bool:
        """Whether the state is ours: our own term's first snapshot is durable."""
        return self.begun and self.owner == self._me

    # Reading back -------------------------------------------------------------------

    def read(self, offset: int, value: bytes | None) -> None:
        """Take one record of the journal, in the order of their offsets.

        Raises:
            StateDiverged: The record does not follow the one before: the journal was
                cut in the middle of a chain, or this build cannot read it.
        """
        if offset <= self.offset:
            return
        try:
            record = orjson.loads(value or b"")
            self._bytes_since_snapshot += len(value or b"")
            if record["v"] != VERSION:
                raise StateDiverged(f"journal version {record['v']} is not known")
            if record["kind"] == "snapshot":
                self._read_snapshot(record, offset)
            else:
                self._read_delta(record)
        except (KeyError, TypeError, ValueError) as error:
            raise StateDiverged(
                f"journal record at offset {offset} cannot be read: {error!r}"
            ) from error
        self.offset = offset

    def _read_delta(self, record: Mapping[str, Any]) -> None:
        chain = record["term"], record["owner"]
        if chain != (self.term, self.owner) and self._refused.get(chain) == self.step:
            # Its snapshot was refused, and was of the state that we have: go on.
            self.term, self.owner = chain
        if chain != (self.term, self.owner):
            if record["term"] > self.term:
                raise StateDiverged(f"term {record['term']} has no snapshot before it")
            self.fenced += 1
            return
        if record["step"] <= self.step:
            return
        if record["step"] != self.step + 1:
            raise StateDiverged(f"step {record['step']} follows step {self.step}")
        self.state.apply_body(record["body"])
        self._stepped(record["step"], record["offsets"])

    def _read_snapshot(self, record: Mapping[str, Any], offset: int) -> None:
        chain = record["term"], record["owner"]
        if record["part"] == 0:
            self._unfinished[chain] = _Parts(*chain, step=record["step"], at=offset)
            self._unfinished[chain].bodies.append(record["body"])
        else:
            parts = self._unfinished.get(chain)
            if parts is None or parts.step != record["step"]:
                return  # its beginning was never finished, or lies before the log
            if record["part"] == len(parts.bodies):  # else a producer's retry
                parts.bodies.append(record["body"])
        parts = self._unfinished[chain]
        if len(parts.bodies) < record["parts"]:
            return
        del self._unfinished[chain]
        if not self._outranks(record):
            self.fenced += (record["term"], record["owner"]) != (self.term, self.owner)
            return
        if (*chain, parts.step) != (self.term, self.owner, self.step):
            state = self._new_state()
            try:
                state.restore_bodies(parts.bodies)
            except RejectedState as error:
                self._refuse(parts, error)
                return
            self.state = state
        self.snapshot_at = parts.at
        self.term, self.owner = chain
        self._stepped(parts.step, record["offsets"])
        self._bytes_since_snapshot = 0

    def _refuse(self, parts: _Parts, error: RejectedState) -> None:
        """Keep the state from before a snapshot that cannot be used."""
        if self.term == 0:
            raise StateDiverged(
                f"the snapshot at offset {parts.at} is refused, and there is none "
                f"before it: {error}"
            ) from error
        logger.error(
            "The snapshot at offset %s, of term %s by %s, is refused, and the state "
            "before it is kept: %s.",
            parts.at,
            parts.term,
            parts.owner,
            error,
        )
        self._refused[parts.term, parts.owner] = parts.step

    def _outranks(self, record: Mapping[str, Any]) -> bool:
        if (record["term"], record["owner"]) == (self.term, self.owner):
            return bool(record["step"] >= self.step)
        return bool(record["term"] > self.term)

    # Writing ------------------------------------------------------------------------

    def begin_term(self, generation: int) -> Iterator[bytes]:
        """Make the state ours; return the snapshot to write before anything else.

        generation is that of the consumer group: it sets apart two workers that take
        over from the same term, one after the other.
        """
        refused = max((term for term, _ in self._refused), default=0)
        self.term = max(self.term + 1, refused + 1, generation)
        self.owner = self._me
        self.begun = False
        return self.snapshot()

    def snapshot(self) -> Iterator[bytes]:
        """Return the records of a snapshot of the state as it is.

        They are encoded one by one as they are taken, so that a big state neither is
        in memory twice nor holds up whatever else runs; the state must stay as it is
        until then.
        """
        bodies = list(self.state.snapshot_bodies())
        head = self._head("snapshot")
        self._bytes_since_snapshot = self._bytes_of_snapshot = 0

        def records() -> Iterator[bytes]:
            for part, body in enumerate(bodies):
                record = _encode({**head, "part": part, "parts": len(bodies)}, body)
                self._bytes_of_snapshot += len(record)
                yield record

        return records()

    def is_snapshot_due(self, growth_bytes_min: int) -> bool:
        """Tell whether the deltas outweigh the last snapshot twice, and a minimum.

        So snapshots cost at most half of what deltas do, and a recovery reads at most
        three times the state and the minimum.
        """
        return self._bytes_since_snapshot >= max(
            growth_bytes_min, 2 * self._bytes_of_snapshot
        )

    def delta(self, body: Body, offsets: Mapping[str, int]) -> bytes:
        """Return the record of a delta that the state has just taken."""
        self._stepped(self.step + 1, offsets)
        record = _encode(self._head("delta"), body)
        self._bytes_since_snapshot += len(record)
        return record

    def written(self, offset: int) -> None:
        """Note that our record is durable at an offset of the journal.

        Where another's record lies between, the offset stays before it, so that the
        next recovery reads it: it may be a new owner's snapshot.
        """
        if offset == self.offset + 1:
            self.offset = offset

    def _stepped(self, step: int, offsets: Mapping[str, int]) -> None:
        self.step = step
        self.offsets = {**self.offsets, **offsets}

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "v": VERSION,
            "kind": kind,
            "term": self.term,
            "owner": self.owner,
            "step": self.step,
            "offsets": self.offsets,
        }


def _encode(head: Mapping[str, Any], body: Body) -> bytes:
    record = {**head, "body": body}
    return orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY)
