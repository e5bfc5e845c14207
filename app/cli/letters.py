"""A dead letter as a person reads it."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from app.topology import Topology

if TYPE_CHECKING:
    from app.wire.events import DeadLetter
    from bridge.dead_letters import Found

__all__ = ["dump", "fields", "moment", "published", "short"]


def published(topology: Topology, letter: "DeadLetter") -> str:
    """Return the subject on which a letter was published."""
    return topology.published_subject(letter.subject)


def short(identity: str) -> str:
    """Return a letter's name without that of the stream."""
    return identity.partition("/")[2]


def moment(seconds: float | None) -> str:
    """Return a time in UTC; empty if there is none."""
    if not seconds:
        return ""
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(" ", "seconds")


def fields(
    topology: Topology, identity: str, letter: "DeadLetter", found: "Found"
) -> dict[str, Any]:
    """Return all that a letter is, as JSON values."""
    text = letter.payload.decode(errors="backslashreplace")
    return {
        "name": identity,
        "reason": letter.reason.value,
        "detail": letter.detail,
        "subject": published(topology, letter),
        "stream": letter.stream,
        "sequence": letter.sequence,
        "arrived": moment(letter.arrival),
        "replayed": moment(found.replayed.get(identity)) or None,
        "payload": text,
    }


def dump(payload: bytes) -> str:
    """Return a payload as text where it is text, and else as a hex dump."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        text = ""
    if text and text.isprintable():
        return text
    return "\n".join(
        f"{at:04x}  {payload[at : at + 16].hex(' ')}"
        for at in range(0, len(payload), 16)
    )
