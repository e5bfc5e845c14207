"""How the workers of a stage do: who answers, and which lanes stand still."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app import control
from app.cli.group import Groups, Lag, Member
from app.errors import HopFailed
from app.topology import Topology

__all__ = ["Look", "look", "nearby_rows", "verdict"]

KNOCK_SECONDS_MAX = 2.0
COMMANDS = {"live": "smartmeter worker", "archive": "smartmeter archive"}
AGAIN = "look again in half a minute"
LATELY_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A stage at one moment: its workers, its lanes, and whose web view is silent."""

    members: Sequence[Member]
    lags: Sequence[Lag]
    silent: frozenset[str] = frozenset()

    @property
    def behind(self) -> int:
        """Frames that wait."""
        return sum(lag.count for lag in self.lags)

    def lanes(self, member: Member) -> list[int]:
        """Return the lanes of readings that a worker has."""
        topics = {lag.topic for lag in self.lags}
        return sorted({n for t in topics for n in member.partitions.get(t, ())})


async def look(topology: Topology, group: str) -> Look:
    """Ask Kafka who is in a group and how far it is, and knock at each web view.

    Raises:
        KafkaError: The broker does not answer, or refuses.
    """
    async with Groups(topology) as groups:
        members = await groups.members(group)
        lags = await groups.lags(group, [topology.readings.name])
    urls = sorted({member.url for member in members if member.url})
    answers = await asyncio.gather(*map(_answers, urls))
    silent = frozenset(
        url for url, hears in zip(urls, answers, strict=True) if not hears
    )
    return Look(members=members, lags=lags, silent=silent)


async def _answers(url: str) -> bool:
    """Return whether anybody listens there; what he says is not our business."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(KNOCK_SECONDS_MAX):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except OSError:
        return False
    writer.close()
    return True


def nearby_rows(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Return what a run on this machine says of its processes, by their address."""
    try:
        found = control.ask(folder, "ps", seconds_max=KNOCK_SECONDS_MAX)
    except control.NotDone:
        return {}
    return {row["address"]: row for row in found if row["address"]}


def verdict(
    stage: str,
    before: Look,
    after: Look,
    *,
    rows: Mapping[str, Mapping[str, Any]],
    takeover_seconds: float,
) -> str:
    """Return what there is to say of a stage that works.

    Args:
        stage: `live` or `archive`.
        before: A look at it.
        after: Another one, some seconds later.
        rows: By address, what a run on this machine says of its processes.
        takeover_seconds: After so long, others take the lanes of one that is away.

    Raises:
        HopFailed: Some lanes stand still; says whose they are and what happens next.
    """
    if not before.members and not after.members:
        raise HopFailed(f"no {stage} worker runs: start one (`{COMMANDS[stage]}`)")
    stuck = _stuck(before, after)
    for member in after.members:
        if member.url in after.silent and stuck.keys() & set(after.lanes(member)):
            raise HopFailed(
                _away(stage, member.url, _some(stuck, after.lanes(member)), rows)
                + f"; if it does not come back, the others take its lanes"
                f" {takeover_seconds:.0f} s after its end"
            )
    owned = {lane for member in after.members for lane in after.lanes(member)}
    if without := _some(stuck, [lane for lane in stuck if lane not in owned]):
        raise HopFailed(
            f"{_lanes(without)}: no worker has them, they are being shared out: {AGAIN}"
        )
    for member in after.members:
        if still := _some(stuck, after.lanes(member)):
            raise HopFailed(_standing(stage, member.url, still, rows))
    said = f"{len(after.members)} at work, {after.behind:,} frames behind"
    back = before.silent - after.silent
    told = [_past(member.url, back, rows) for member in after.members]
    return "; ".join([said, *filter(None, told)])


def _stuck(before: Look, after: Look) -> dict[int, int]:
    """Return the frames that wait, by lane, where something waits and nothing moves."""
    was = {lag.partition: lag for lag in before.lags}
    return {
        lag.partition: lag.count
        for lag in after.lags
        if lag.count
        and (earlier := was.get(lag.partition))
        and earlier.count
        and earlier.committed == lag.committed
    }


def _some(stuck: Mapping[int, int], lanes: Collection[int]) -> dict[int, int]:
    return {lane: stuck[lane] for lane in sorted(lanes) if lane in stuck}


def _lanes(stuck: Mapping[int, int]) -> str:
    plural = "s" if len(stuck) > 1 else ""
    verb = "wait" if plural else "waits"
    names = ", ".join(map(str, stuck))
    return f"lane{plural} {names} {verb} ({sum(stuck.values()):,} frames)"


def _name(url: str, rows: Mapping[str, Mapping[str, Any]]) -> str:
    return f"{rows[url]['name']} ({url})" if url in rows else url


def _away(
    stage: str,
    url: str,
    stuck: Mapping[int, int],
    rows: Mapping[str, Mapping[str, Any]],
) -> str:
    """Say who is away, what waits for it, and what brings it back."""
    row = rows.get(url)
    if row is None:
        log = "its log says why it ended"
        then = (
            f"start it again (`{COMMANDS[stage]}`), and it goes on where it was; {log}"
        )
    else:
        starting = row["state"] == "starting"
        how = "is starting it" if starting else "starts it by itself"
        state = "" if starting else f" ({row['state']})"
        then = f"the run {how} again{state}, and it goes on where it was; {_log(row)}"
    return f"{_name(url, rows)} is away, and {_lanes(stuck)}: {then}"


def _standing(
    stage: str,
    url: str,
    stuck: Mapping[int, int],
    rows: Mapping[str, Mapping[str, Any]],
) -> str:
    """Say who has lanes that stand still though he is there."""
    row = rows.get(url, {})
    if row.get("state") == "starting" and row.get("restarts"):
        return (
            f"{_name(url, rows)} has ended and is being started again, and"
            f" {_lanes(stuck)}: it goes on where it was within seconds; {_log(row)}"
        )
    return (
        f"{_name(url, rows)} is there, but {_lanes(stuck)} and nothing moves: it may be"
        f" recovering, {AGAIN}; then see its /ready and its log"
        f" (`{COMMANDS[stage]}` started anew goes on where it was)"
    )


def _past(
    url: str, back: Collection[str], rows: Mapping[str, Mapping[str, Any]]
) -> str:
    """Say that a worker which is well now was not, a moment ago."""
    row = rows.get(url, {})
    if row.get("restarts") and (row["up_seconds"] or 0.0) < LATELY_SECONDS:
        times = "once" if row["restarts"] == 1 else f"{row['restarts']} times"
        return (
            f"{row['name']} was started again {times}, {row['up_seconds']:.0f} s ago"
            f" ({_log(row)})"
        )
    return f"{_name(url, rows)} was away and is back" if url in back else ""


def _log(row: Mapping[str, Any]) -> str:
    return f"`smartmeter logs {row['name']} --former` says why"
