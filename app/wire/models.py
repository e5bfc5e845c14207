"""Versions of models on the wire, and the commands that go back to one.

model-versions  {"v":1,"name":"lane-3"|"fleet"|"lane-3-24h"|…,"version":s,"made":s,
                 "part":0,"parts":n,"summary":{…},"state":text}
                state is a part of the version's JSON, bounded in length
model-commands  {"v":1,"command":"roll-back","name","version":s,"at":s,"state":text}
                with the whole of it, so that who obeys needs to ask nobody

version is the start of the window that was learnt last, and so the same for repeats.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from app.errors import Reason, RejectedMessage
from app.topology import EVENT_BYTES_MAX
from app.wire.events import decode_event, encode_event

__all__ = [
    "FLEET",
    "PART_CHARACTERS_MAX",
    "RollBack",
    "decode_roll_back",
    "encode_roll_back",
    "encode_version",
    "ending",
    "lane_name",
    "names",
]

FLEET = "fleet"
PART_CHARACTERS_MAX = 256 << 10
COMMAND_BYTES_MAX = EVENT_BYTES_MAX - (64 << 10)
ROLL_BACK = "roll-back"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBack:
    """A person's word, at a moment (epoch seconds), to go back to a version."""

    name: str
    version: int
    at: int
    state: str


def lane_name(lane: int) -> str:
    """Return what the models of a lane are called."""
    return f"lane-{lane}"


def ending(hours: int, horizons: Sequence[int]) -> str:
    """Return how the names of models end that look so many hours ahead.

    >>> ending(12, (12, 24)), ending(24, (12, 24))
    ('', '-24h')
    """
    return "" if hours == horizons[0] else f"-{hours}h"


def names(lanes: int, horizons: Sequence[int]) -> dict[str, int]:
    """Return the lane in which models live, by what they are called.

    >>> names(1, (12, 24))
    {'fleet': 0, 'lane-0': 0, 'fleet-24h': 0, 'lane-0-24h': 0}
    """
    bare = {FLEET: 0, **{lane_name(lane): lane for lane in range(lanes)}}
    return {
        name + ending(hours, horizons): lane
        for hours in horizons
        for name, lane in bare.items()
    }


def encode_version(
    name: str, *, version: int, made: int, summary: dict[str, Any], state: bytes
) -> Iterator[bytes]:
    """Yield a version's records."""
    text = state.decode()
    parts = -(-len(text) // PART_CHARACTERS_MAX)
    for part in range(parts):
        begin = part * PART_CHARACTERS_MAX
        yield encode_event(
            {
                "name": name,
                "version": version,
                "made": made,
                "part": part,
                "parts": parts,
                "summary": summary,
                "state": text[begin : begin + PART_CHARACTERS_MAX],
            }
        )


def encode_roll_back(command: RollBack) -> bytes:
    """Return a command as its topic has it.

    Raises:
        RejectedMessage: The version is too large for one record.
    """
    value = encode_event(
        {
            "command": ROLL_BACK,
            "name": command.name,
            "version": command.version,
            "at": command.at,
            "state": command.state,
        }
    )
    if len(value) > COMMAND_BYTES_MAX:
        raise RejectedMessage(
            Reason.OVERSIZED,
            f"version {command.version} has {len(value):,} bytes as a command, and"
            f" {COMMAND_BYTES_MAX:,} fit",
        )
    return value


def decode_roll_back(value: bytes | None) -> RollBack:
    """Return the command that a record holds.

    Raises:
        RejectedMessage: It is none.
    """
    fields = decode_event(value)
    if fields.get("command") != ROLL_BACK:
        raise RejectedMessage(Reason.JSON, "not a command to models")
    try:
        command = RollBack(
            name=str(fields["name"]),
            version=int(fields["version"]),
            at=int(fields["at"]),
            state=str(fields["state"]),
        )
        orjson.loads(command.state)
    except (KeyError, TypeError, ValueError) as error:
        raise RejectedMessage(Reason.JSON, f"not a roll-back: {error!r}") from None
    return command
