"""Messages as JetStream stored them, one by one and as columns."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.errors import Reason

__all__ = ["RawColumns", "RawMessage", "Rejected"]


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


class RawColumns:
    """Many messages in stream order: what is the same of each, side by side.

    subjects and payloads are bytes, sequence int64, arrival float64 epoch seconds.
    """

    __slots__ = ("arrival", "payloads", "sequence", "subjects")

    def __init__(
        self,
        subjects: Sequence[bytes],
        payloads: Sequence[bytes],
        sequence: NDArray[np.int64],
        arrival: NDArray[np.float64],
    ) -> None:
        self.subjects = subjects
        self.payloads = payloads
        self.sequence = sequence
        self.arrival = arrival

    def __len__(self) -> int:
        return len(self.subjects)

    def __getitem__(self, index: int) -> RawMessage:
        return RawMessage(
            self.subjects[index].decode(errors="replace"),
            self.payloads[index],
            int(self.sequence[index]),
            float(self.arrival[index]),
        )

    @classmethod
    def of(cls, messages: Sequence[RawMessage]) -> "RawColumns":
        """Return messages as columns."""
        return cls(
            [message.subject.encode() for message in messages],
            [message.payload for message in messages],
            np.array([message.sequence for message in messages], np.int64),
            np.array([message.arrival for message in messages], np.float64),
        )

    def take(self, chosen: NDArray[np.bool_]) -> "RawColumns":
        """Return some of the messages."""
        numbers = np.flatnonzero(chosen).tolist()
        return RawColumns(
            [self.subjects[number] for number in numbers],
            [self.payloads[number] for number in numbers],
            self.sequence[chosen],
            self.arrival[chosen],
        )
