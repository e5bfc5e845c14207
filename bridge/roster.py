"""The roster: which bridges there are, and which of them carries which lane. Pure.

It is one document that every bridge reads, changes and writes back by compare-and-set,
so that each change is seen whole by all. It serves order, not safety: a bridge that
believes in an old roster is stopped by Kafka (lane_log.py).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.errors import SmartMeterError

__all__ = ["Member", "Reached", "Roster", "RosterUnreadable", "shared_out"]

VERSION = 1

Reached = tuple[int, float]
"""Of a lane: its watermark, and for how many seconds it has been silent."""


class RosterUnreadable(SmartMeterError):
    """The roster is of a version that this build does not know."""

    retriable = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A bridge: life is a word that no other process has, beat grows while it lives.

    may holds the lanes that it may carry, or is None for all; reached is what it says
    of the lanes that it carries.
    """

    life: str
    beat: int = 0
    may: frozenset[int] | None = None
    reached: Mapping[int, Reached] = field(default_factory=dict)

    def allows(self, lane: int) -> bool:
        """Tell whether it may carry a lane."""
        return self.may is None or lane in self.may


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Members by name, and each owned lane's owner by name."""

    members: Mapping[str, Member] = field(default_factory=dict)
    owners: Mapping[int, str] = field(default_factory=dict)

    def owned_by(self, name: str) -> set[int]:
        """Return the lanes of a member."""
        return {lane for lane, owner in self.owners.items() if owner == name}

    def without(self, names: Iterable[str]) -> "Roster":
        """Return the roster without members; their lanes are nobody's."""
        gone = set(names)
        members = {n: m for n, m in self.members.items() if n not in gone}
        owners = {lane: n for lane, n in self.owners.items() if n in members}
        return Roster(members=members, owners=owners)

    def encode(self) -> bytes:
        """Return the roster as JSON."""
        members = {
            name: {
                "life": member.life,
                "beat": member.beat,
                "may": None if member.may is None else sorted(member.may),
                "reached": {str(k): list(v) for k, v in member.reached.items()},
            }
            for name, member in self.members.items()
        }
        owners = {str(lane): name for lane, name in self.owners.items()}
        return orjson.dumps({"v": VERSION, "members": members, "owners": owners})

    @staticmethod
    def decode(value: bytes | None) -> "Roster":
        """Return the roster that a value holds; an empty one for none.

        Raises:
            RosterUnreadable: The value is of another version.
        """
        if not value:
            return Roster()
        try:
            fields: dict[str, Any] = orjson.loads(value)
            version = fields["v"]
            roster = Roster(
                members={n: _member(m) for n, m in fields["members"].items()},
                owners={int(lane): str(n) for lane, n in fields["owners"].items()},
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RosterUnreadable(
                f"the bridges' roster cannot be read: {error}; does another build run?"
            ) from None
        if version != VERSION:
            raise RosterUnreadable(
                f"the bridges' roster has version {version}, this build knows {VERSION}"
            )
        return roster


def _member(fields: dict[str, Any]) -> Member:
    may = fields["may"]
    return Member(
        life=str(fields["life"]),
        beat=int(fields["beat"]),
        may=None if may is None else frozenset(map(int, may)),
        reached={
            int(lane): (int(watermark), float(silent))
            for lane, (watermark, silent) in fields["reached"].items()
        },
    )


def shared_out(roster: Roster, lanes: Iterable[int]) -> dict[int, str]:
    """Return who should carry each lane: evenly, with as few changes as can be.

    A lane that no member may carry is left out.

    >>> two = {"a": Member(life="1"), "b": Member(life="2")}
    >>> shared_out(Roster(members=two, owners={0: "a", 1: "a", 2: "a"}), range(4))
    {0: 'a', 1: 'a', 2: 'b', 3: 'b'}
    """
    shares: dict[str, list[int]] = {name: [] for name in sorted(roster.members)}
    for lane in sorted(lanes):
        owner = roster.owners.get(lane, "")
        if owner in shares and roster.members[owner].allows(lane):
            shares[owner].append(lane)
    taken = {lane for share in shares.values() for lane in share}
    for lane in sorted(set(lanes) - taken):
        able = [name for name in shares if roster.members[name].allows(lane)]
        if able:
            shares[min(able, key=lambda name: len(shares[name]))].append(lane)
    while move := _move(roster, shares):
        lane, giver, taker = move
        shares[giver].remove(lane)
        shares[taker].append(lane)
    owners = {lane: name for name, share in shares.items() for lane in share}
    return dict(sorted(owners.items()))


def _move(
    roster: Roster, shares: Mapping[str, list[int]]
) -> tuple[int, str, str] | None:
    """Return a lane that makes shares more even, from whom and to whom."""
    by_share = sorted(shares, key=lambda name: len(shares[name]))
    for giver in reversed(by_share):
        for taker in by_share:
            if len(shares[giver]) < len(shares[taker]) + 2:
                break
            for lane in sorted(shares[giver], reverse=True):
                if roster.members[taker].allows(lane):
                    return lane, giver, taker
    return None
