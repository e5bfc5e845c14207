"""This bridge among the others: it shows that it lives, and takes its share of lanes.

Every second it reads the roster, judges who has fallen silent, and writes the roster
back with a beat of its own. Silence is measured on this process's own clock, and only
while it was looking: no two machines' clocks are compared, and a bridge that was itself
frozen declares nobody dead for it.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from nats.js.api import KeyValueConfig
from nats.js.errors import (
    BucketNotFoundError,
    KeyNotFoundError,
    KeyWrongLastSequenceError,
)

from app.errors import FatalError, SmartMeterError
from app.topology import Topology
from bridge.lanes import Lanes
from bridge.link import Link
from bridge.roster import Member, Reached, Roster, shared_out

__all__ = [
    "LeaseLost",
    "Membership",
    "Observer",
    "Replaced",
    "ensure_bucket",
    "new_life",
]

KEY = "roster"
TICKS_PER_LEASE = 5
GUARD_SHARE = 0.8
TRIES_MAX = 5
ANSWER_SECONDS_MAX = 2.0

logger = logging.getLogger(__name__)


class LeaseLost(SmartMeterError):
    """This bridge could not show that it lives, so its lanes may be another's."""

    retriable = True


class Replaced(FatalError):
    """Another process runs under this bridge's name."""


class Observer:
    """Judges whose beat has stood still for too long, while somebody looked."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: dict[str, tuple[str, int, float]] = {}
        self._looked_at = float("-inf")

    def silent(self, roster: Roster, *, now: float) -> set[str]:
        """Note the beats of all members; return the names of the silent ones."""
        was_away = now - self._looked_at > self._seconds / 2
        self._looked_at = now
        seen: dict[str, tuple[str, int, float]] = {}
        for name, member in roster.members.items():
            life, beat, since = self._seen.get(name, ("", -1, now))
            if was_away or (life, beat) != (member.life, member.beat):
                since = now
            seen[name] = (member.life, member.beat, since)
        self._seen = seen
        return {n for n, (_, _, since) in seen.items() if now - since >= self._seconds}


async def ensure_bucket(link: Link, topology: Topology) -> Any:
    """Return the bucket of the roster; make it if there is none.

    Raises:
        nats.errors.Error: The server does not answer, or refuses.
    """
    jetstream = link.jetstream(timeout=ANSWER_SECONDS_MAX)
    try:
        return await jetstream.key_value(topology.bridge_bucket)
    except BucketNotFoundError:
        return await jetstream.create_key_value(
            KeyValueConfig(
                bucket=topology.bridge_bucket,
                description="Who carries which lane.",
                history=1,
                replicas=topology.settings.nats.replicas,
            )
        )


class Membership:
    """Keeps this bridge in the roster, and its lanes as the roster says."""

    def __init__(
        self,
        *,
        topology: Topology,
        name: str,
        life: str,
        may: frozenset[int] | None,
        reached: Callable[[set[int]], Mapping[int, Reached]],
        heard: Callable[[Mapping[int, Reached]], None],
    ) -> None:
        """Make a membership that lasts for a process's life.

        Args:
            topology: The names.
            name: This bridge's; a process that takes it over inherits the lanes.
            life: A word that no other process has.
            may: The lanes that it may carry; None for all.
            reached: Returns what is to be said of lanes that this bridge carries.
            heard: Is told what the others say of theirs.
        """
        self._all_lanes = range(topology.lanes)
        self._lease_seconds = topology.settings.bridge.lease_seconds
        self._observer = Observer(self._lease_seconds)
        self._name = name
        self._me = Member(life=life, may=may)
        self._reached = reached
        self._heard = heard
        self._joined = False
        self._mine: set[int] = set()
        self._renewed_at = float("-inf")
        self.poke = asyncio.Event()

    @property
    def is_member(self) -> bool:
        """Whether this bridge is in the roster, as far as it knows."""
        return time.monotonic() - self._renewed_at < self._lease_seconds

    def give_all_up(self) -> None:
        """Take no lane from now on, and let the others have those that are left."""
        self._me = replace(self._me, may=frozenset())

    def guard(self) -> None:
        """Do nothing while the lease is sure to hold.

        Raises:
            LeaseLost: It may have run out.
        """
        age = time.monotonic() - self._renewed_at
        if age > GUARD_SHARE * self._lease_seconds:
            raise LeaseLost(f"no word in the roster for {age:.1f} s")

    async def run(self, bucket: Any, lanes: Lanes, stopping: asyncio.Event) -> None:
        """Renew the membership and follow the roster until stopping is set.

        Raises:
            Replaced: Another process runs under this name.
            nats.errors.Error, TimeoutError, RosterUnreadable: Join again.
        """
        while not stopping.is_set():
            roster, leaving = await self._renew(bucket, lanes)
            await self._follow(roster, leaving, lanes)
            self.poke.clear()
            waiting = asyncio.create_task(self.poke.wait())
            await asyncio.wait({waiting}, timeout=self._lease_seconds / TICKS_PER_LEASE)
            waiting.cancel()

    async def retire(self, bucket: Any) -> None:
        """Take this bridge out of the roster: the others need not wait for it."""
        for _ in range(TRIES_MAX):
            roster, revision = await _read(bucket)
            mine = roster.members.get(self._name)
            if not mine or mine.life != self._me.life:
                return
            if await _write(bucket, roster.without([self._name]), revision):
                return

    async def _renew(self, bucket: Any, lanes: Lanes) -> tuple[Roster, set[int]]:
        for _ in range(TRIES_MAX):
            began = time.monotonic()
            roster, revision = await _read(bucket)
            self._require_own_name(roster)
            silent = self._observer.silent(roster, now=time.monotonic())
            silent.discard(self._name)
            left = set(lanes.left)
            living = roster.without(silent)
            changed, leaving = self._changed(living, left, lanes.carried)
            if not await _write(bucket, changed, revision):
                continue
            lanes.left -= left
            self._joined = True
            self._renewed_at = began
            if silent:
                logger.warning("Silent, lanes taken over: %s.", ", ".join(silent))
            return changed, leaving
        raise TimeoutError("the roster changes faster than it can be written")

    def _changed(
        self, roster: Roster, left: set[int], carried: set[int]
    ) -> tuple[Roster, set[int]]:
        """Return the roster to write, and the lanes that this bridge should leave."""
        self._me = replace(
            self._me, beat=self._me.beat + 1, reached=self._reached(carried)
        )
        members = {**roster.members, self._name: self._me}
        given_up = left & roster.owned_by(self._name)
        owners = {k: name for k, name in roster.owners.items() if k not in given_up}
        shares = shared_out(Roster(members=members, owners=owners), self._all_lanes)
        for lane, name in shares.items():
            if name == self._name and lane not in owners and lane not in carried:
                owners[lane] = name
        changed = Roster(members=members, owners=owners)
        leaving = {
            lane
            for lane in changed.owned_by(self._name)
            if shares.get(lane) != self._name
        }
        return changed, leaving

    async def _follow(self, roster: Roster, leaving: set[int], lanes: Lanes) -> None:
        mine = roster.owned_by(self._name)
        if mine != self._mine:
            self._mine = mine
            logger.info("Lanes of this bridge: %s.", sorted(mine) or "none")
        for member in roster.members.values():
            self._heard({k: v for k, v in member.reached.items() if k not in mine})
        await lanes.drop(lanes.carried - mine)
        for lane in sorted(mine - lanes.carried - lanes.left):
            lanes.take(lane)
        for lane in leaving & lanes.carried:
            lanes.leave(lane)

    def _require_own_name(self, roster: Roster) -> None:
        member = roster.members.get(self._name)
        if self._joined and member and member.life != self._me.life:
            raise Replaced(
                f"another bridge has taken the name {self._name}: give each its own"
                " SMARTMETER_BRIDGE__IDENTITY"
            )


async def _read(bucket: Any) -> tuple[Roster, int]:
    try:
        entry = await bucket.get(KEY)
    except KeyNotFoundError:
        return Roster(), 0
    return Roster.decode(entry.value), entry.revision


async def _write(bucket: Any, roster: Roster, revision: int) -> bool:
    """Write the roster unless it has changed since; tell whether it was written."""
    try:
        await bucket.update(KEY, roster.encode(), last=revision)
    except KeyWrongLastSequenceError:
        return False
    return True


def new_life() -> str:
    """Return a word that no other process has."""
    return f"{os.getpid()}-{os.urandom(6).hex()}"
