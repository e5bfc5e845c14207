"""Alerts of a lane: raised by closed windows, cleared by calm ones, one open per key.

A key is a transformer and a side (over or under). A window knows which meter had its
maximum, so an alert over the limit names that meter; nothing in a window says which
meter was lowest, nor how a single meter did later: no alert claims it.

Everything is decided by the windows in their order. An alert's name follows from its
key and from the window that raised it, and what an event says follows from windows
alone or from a command alone, so that whoever dies, repeated events are equal to the
letter, however windows and commands had interleaved.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from app.domain.alert_rules import ClosedRows, Rules, Side

__all__ = [
    "NO_USAGE_POINT",
    "Alert",
    "AlertEvent",
    "EventKind",
    "LaneAlerts",
    "State",
    "parse_name",
]

NO_USAGE_POINT = 0
"""Where no window says which meter it was; a meter's number is positive."""
NAME = re.compile(r"(\d{1,10})-(\d{1,10})-(high|low)-(\d{1,12})", re.ASCII)


class State(StrEnum):
    """Where an alert stands; cleared outranks acknowledged."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    CLEARED = "cleared"


class EventKind(StrEnum):
    """What happened to an alert."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An excursion of a transformer beyond what is allowed.

    epoch is the start of the window that raised it, epoch seconds, and raised its end;
    usagepoint is the meter of that window's maximum. voltage (the window's extreme),
    mean, count, over, verdict and limit are of that window, peak to windows of the
    whole excursion: its extreme voltage, where that was, and how many windows breached.
    acknowledged is when a person said so, cleared the end of the last calm window.
    calm counts calm windows in a row, looked_at is the start of the latest window.

    A journal holds the fields in this order: new ones go to the end, with a default.
    """

    line: int
    transformer: int
    side: Side
    usagepoint: int
    epoch: int
    raised: int
    voltage: float
    mean: float
    count: int
    over: int
    verdict: str
    limit: float
    peak: float
    peak_usagepoint: int
    peak_epoch: int
    windows: int
    calm: int
    looked_at: int
    acknowledged: int | None = None
    cleared: int | None = None

    @property
    def name(self) -> str:
        """What identifies it: the same wherever the same windows are read."""
        return f"{self.line}-{self.transformer}-{self.side}-{self.epoch}"

    @property
    def key(self) -> tuple[int, Side]:
        """Its transformer and side; one alert of a key is open at most."""
        return self.line << 32 | self.transformer, self.side

    @property
    def state(self) -> State:
        """Where it stands."""
        if self.cleared is not None:
            return State.CLEARED
        return State.RAISED if self.acknowledged is None else State.ACKNOWLEDGED


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEvent:
    """What happened to an alert, and how it stood then."""

    kind: EventKind
    alert: Alert


def parse_name(name: str) -> tuple[int, int, Side, int]:
    """Return line, transformer, side and epoch of an alert's name.

    >>> parse_name("11-3-high-1479537000")
    (11, 3, <Side.HIGH: 'high'>, 1479537000)

    Raises:
        ValueError: It is no such name.
    """
    match = NAME.fullmatch(name)
    if match is None:
        raise ValueError("an alert is called <line>-<transformer>-<high|low>-<epoch>")
    line, transformer, side, epoch = match.groups()
    return int(line), int(transformer), Side(side), int(epoch)


class LaneAlerts:
    """The alerts of one lane: all open ones, and those that were cleared last.

    position is the last window that was taken, by start and key: windows that come
    again after a crash are at or before it, and are not taken twice.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.position: tuple[int, int] = (-(2**60), 0)
        self.open: dict[tuple[int, Side], Alert] = {}
        self.recent: dict[str, Alert] = {}
        self._changed: dict[str, Alert] = {}

    def __iter__(self) -> Iterator[Alert]:
        """Yield all alerts: open ones by their key, then the others as they cleared."""
        yield from (self.open[key] for key in sorted(self.open))
        yield from sorted(self.recent.values(), key=_age)

    def find(self, name: str) -> Alert | None:
        """Return the alert of a name, if this lane still knows it."""
        try:
            line, transformer, side, _ = parse_name(name)
        except ValueError:
            return None
        opened = self.open.get((line << 32 | transformer, side))
        return opened if opened and opened.name == name else self.recent.get(name)

    def take(self, rows: ClosedRows) -> list[AlertEvent]:
        """Take closed windows; return what came of them, in their order."""
        start, key = self.position
        rows = rows.take(
            (rows.start > start) | ((rows.start == start) & (rows.key > key))
        )
        if not len(rows):
            return []
        self.position = int(rows.start[-1]), int(rows.key[-1])
        breached = self.rules.breached(rows)
        calm = self.rules.calm(rows)
        concerned = rows.key[breached[Side.HIGH] | breached[Side.LOW]]
        followed = np.array([key for key, _ in self.open], np.int64)
        places = np.flatnonzero(np.isin(rows.key, np.append(concerned, followed)))
        events: list[AlertEvent] = []
        for place in places.tolist():
            for side in Side:
                if breached[side][place]:
                    events += self._breach(side, rows, place)
                elif (int(rows.key[place]), side) in self.open:
                    events += self._follow(
                        side, rows, place, calm=bool(calm[side][place])
                    )
        self._forget_oldest()
        return events

    def acknowledge(self, name: str, at: int) -> list[AlertEvent]:
        """Note that a person has seen an alert; the first time counts."""
        alert = self.find(name)
        if alert is None or alert.acknowledged is not None:
            return []
        alert = replace(alert, acknowledged=at)
        self._put(alert)
        return [AlertEvent(kind=EventKind.ACKNOWLEDGED, alert=alert)]

    def changes(self) -> list[Alert]:
        """Return the alerts that have changed since this was asked last."""
        changed, self._changed = list(self._changed.values()), {}
        return changed

    def restore(self, alerts: Iterable[Alert]) -> None:
        """Put alerts where they belong, as they were read back."""
        for alert in alerts:
            self._put(alert)
        self._forget_oldest()
        self._changed = {}

    def _breach(self, side: Side, rows: ClosedRows, place: int) -> list[AlertEvent]:
        alert = self.open.get((int(rows.key[place]), side))
        if alert is not None:
            alert = _followed(alert, rows, place)
            self._put(replace(alert, windows=alert.windows + 1, calm=0))
            return []
        alert = self._raised(side, rows, place)
        self._put(alert)
        return [AlertEvent(kind=EventKind.RAISED, alert=alert)]

    def _follow(
        self, side: Side, rows: ClosedRows, place: int, *, calm: bool
    ) -> list[AlertEvent]:
        before = self.open[int(rows.key[place]), side]
        alert = _followed(before, rows, place)
        # A window that is missing was not measured, and is not calm.
        in_a_row = alert.looked_at - before.looked_at == self.rules.size
        run = (before.calm + 1 if in_a_row else 1) if calm else 0
        alert = replace(alert, calm=run)
        if run < self.rules.clear_windows:
            self._put(alert)
            return []
        alert = replace(alert, cleared=alert.looked_at + self.rules.size)
        self._put(alert)
        return [AlertEvent(kind=EventKind.CLEARED, alert=alert)]

    def _raised(self, side: Side, rows: ClosedRows, place: int) -> Alert:
        key, start = int(rows.key[place]), int(rows.start[place])
        extreme = float(_extremes(side, rows)[place])
        point = _usagepoint(side, rows, place)
        over = int(rows.over[place])
        return Alert(
            line=key >> 32,
            transformer=key & 0xFFFFFFFF,
            side=side,
            usagepoint=point,
            epoch=start,
            raised=start + self.rules.size,
            voltage=extreme,
            mean=float(rows.mean[place]),
            count=int(rows.count[place]),
            over=over,
            verdict=str(rows.verdict[place]),
            limit=self.rules.limit(side, over),
            peak=extreme,
            peak_usagepoint=point,
            peak_epoch=start,
            windows=1,
            calm=0,
            looked_at=start,
        )

    def _put(self, alert: Alert) -> None:
        self._changed[alert.name] = alert
        if alert.cleared is None:
            self.open[alert.key] = alert
            return
        opened = self.open.get(alert.key)
        if opened is not None and opened.name == alert.name:
            del self.open[alert.key]
        self.recent[alert.name] = alert

    def _forget_oldest(self) -> None:
        surplus = len(self.recent) - self.rules.recent_max
        if surplus > 0:
            # By name too, so that it does not matter in which order they came here.
            for alert in sorted(self.recent.values(), key=_age)[:surplus]:
                del self.recent[alert.name]


def _followed(alert: Alert, rows: ClosedRows, place: int) -> Alert:
    """Return an alert after one more window, whatever that says of its end."""
    start = int(rows.start[place])
    extreme = float(_extremes(alert.side, rows)[place])
    is_high = alert.side is Side.HIGH
    alert = replace(alert, looked_at=start)
    if extreme > alert.peak if is_high else extreme < alert.peak:
        point = _usagepoint(alert.side, rows, place)
        return replace(alert, peak=extreme, peak_usagepoint=point, peak_epoch=start)
    return alert


def _extremes(side: Side, rows: ClosedRows) -> NDArray[np.float64]:
    return rows.maximum if side is Side.HIGH else rows.minimum


def _usagepoint(side: Side, rows: ClosedRows, place: int) -> int:
    return int(rows.usagepoint[place]) if side is Side.HIGH else NO_USAGE_POINT


def _age(alert: Alert) -> tuple[int, str]:
    return alert.cleared or 0, alert.name
