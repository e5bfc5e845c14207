"""Windows and maxima recomputed from the raw rows, and compared with the stored ones.

A window's readings are the raw rows of its time, without those that came late. It is
compared once its lane has closed it: a lane closes its windows in order, so every
window up to the last one stored of its lane must be there.

Raw rows keep one reading per meter and second, so a meter that reported twice in one
second shows here as a difference of the count.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from app.batch.averages import raw_keys
from app.batch.recomputed import Day
from app.domain.readings import lane_of
from app.settings import Settings
from app.sinks.base import Rows
from app.sinks.scan import Key, Scan
from app.sinks.selection import Selection
from app.sinks.tables import LATE_READINGS, MAX_VOLTAGE, RAW_DATA, WINDOWS
from app.topology import Topology

__all__ = ["Difference", "Verification", "verify"]

KEYS_MAX = 64  # transformers' days at a time
DIFFERENCES_KEPT_MAX = 1_000
MEAN_VOLTS_TOLERANCE = 1e-5
READ = ("usagepoint", "hour", "minute", "second")
WINDOW = ("start", "count", "minimum", "maximum", "mean", "usagepoint", "over")
OF_TRANSFORMER = (*WINDOWS.partition, "transformer")


class Difference(NamedTuple):
    """A value that is not as the raw rows have it; line 0 is the whole fleet."""

    line: int
    transformer: int
    start: int
    column: str
    stored: float | None
    recomputed: float | None


@dataclass(slots=True)
class Verification:
    """What was compared, and what differs (the first ones are kept)."""

    windows: int = 0
    windows_open: int = 0
    maxima: int = 0
    readings: int = 0
    readings_late: int = 0
    differences: int = 0
    examples: list[Difference] = field(default_factory=list)

    def differ(self, difference: Difference) -> None:
        """Note a difference."""
        self.differences += 1
        if len(self.examples) < DIFFERENCES_KEPT_MAX:
            self.examples.append(difference)


def verify(
    settings: Settings, selection: Selection, progress: Callable[[float], None]
) -> Verification:
    """Compare what is stored of some days, a line or a transformer.

    Of a running system, choose days that are over.

    Raises:
        SinkUnavailable: Cassandra is away, or stays too busy.
        FatalError: The keyspace is not as it must be, or the user is refused.
    """
    with Scan(settings.archive, Topology(settings).keyspace) as scan:
        return _Comparison(settings, scan, selection).run(progress)


class _Comparison:
    def __init__(self, settings: Settings, scan: Scan, selection: Selection) -> None:
        self._size = settings.windows.size_seconds
        self._threshold = settings.windows.threshold_volts
        self._scan = scan
        self._selection = selection
        self._lanes = settings.kafka.lanes
        self._closed: dict[int, int] = {}  # by lane, the last window stored
        self._stored = 0
        self._maxima: dict[int, float] = {}
        self._found = Verification()

    def run(self, progress: Callable[[float], None]) -> Verification:
        self._read_closed()
        keys = raw_keys(self._scan, self._selection, progress)
        while some := list(islice(keys, KEYS_MAX)):
            self._compare_days(some)
        without_rows = self._stored - self._found.windows
        if without_rows:
            self._found.differ(
                Difference(0, 0, 0, "windows without raw rows", without_rows, 0)
            )
        if self._selection.line is None and self._selection.transformer is None:
            self._compare_maxima()
        return self._found

    def _read_closed(self) -> None:
        columns = (*WINDOWS.partition, "transformer", "start")
        for page in self._scan.everything(WINDOWS, columns):
            self._stored += int(np.count_nonzero(self._selection.of(page)))
            pairs = np.stack([page["line"], page["transformer"]], axis=1)
            distinct, which = np.unique(pairs, axis=0, return_inverse=True)
            last = np.full(len(distinct), np.iinfo(np.int64).min)
            np.maximum.at(last, which.ravel(), page["start"])
            for key, start in zip(distinct.tolist(), last.tolist(), strict=True):
                lane = _lane(*key, self._lanes)
                self._closed[lane] = max(self._closed.get(lane, start), start)

    def _compare_days(self, keys: list[Key]) -> None:
        late = _by_key(self._scan.rows(LATE_READINGS, READ, keys))
        days = {key: Day(key, self._size, self._threshold) for key in keys}
        for key, page in self._scan.rows(RAW_DATA, (*READ, "voltage"), keys):
            self._found.readings_late += days[key].add(page, late.get(key, []))
        windows = {_window_key(key): key for key in keys}
        stored = self._scan.rows(WINDOWS, WINDOW, windows, by=OF_TRANSFORMER)
        pages = _by_key(stored)
        for place, key in windows.items():
            day = days[key]
            self._found.readings += int(day.count.sum())
            self._compare_day(day, _by_start(pages.get(place, [])))

    def _compare_day(self, day: Day, stored: dict[int, dict[str, Any]]) -> None:
        lane = _lane(day.line, day.transformer, self._lanes)
        closed_to = self._closed.get(lane, -1)
        for start, recomputed in day.windows():
            highest = self._maxima.get(start, recomputed["maximum"])
            self._maxima[start] = max(highest, recomputed["maximum"])
            if start > closed_to:
                self._found.windows_open += 1
                continue
            kept = stored.pop(start, None)
            self._found.windows += kept is not None
            for column, value in recomputed.items():
                there = None if kept is None else kept[column]
                if there is None or not _equal(column, there, value):
                    self._found.differ(
                        Difference(
                            day.line, day.transformer, start, column, there, value
                        )
                    )
        for start, kept in stored.items():
            if start <= closed_to:
                self._found.windows += 1
                self._found.differ(
                    Difference(
                        day.line, day.transformer, start, "count", kept["count"], 0
                    )
                )

    def _compare_maxima(self) -> None:
        stored: dict[int, float] = {}
        last = -1
        for page in self._scan.everything(MAX_VOLTAGE, ("epoch", "voltage")):
            last = max(last, int(page["epoch"].max()))
            wanted = self._selection.take(page)
            stored.update(
                zip(wanted["epoch"].tolist(), wanted["voltage"].tolist(), strict=True)
            )
        for epoch in sorted(self._maxima.keys() | stored.keys()):
            if epoch > last:
                continue  # not every lane has closed it yet
            self._found.maxima += 1
            pair = stored.get(epoch), self._maxima.get(epoch)
            if pair[0] != pair[1]:
                self._found.differ(Difference(0, 0, epoch, "voltage", *pair))


_lane = cache(lane_of)


def _equal(column: str, stored: float, recomputed: float) -> bool:
    if column == "mean":  # added up in another order
        return abs(stored - recomputed) <= MEAN_VOLTS_TOLERANCE
    return stored == recomputed


def _window_key(key: Key) -> Key:
    line, transformer, *day = key
    return (line, *day, transformer)


def _by_key(pages: Iterable[tuple[Key, Rows]]) -> dict[Key, list[Rows]]:
    found: dict[Key, list[Rows]] = {}
    for key, page in pages:
        found.setdefault(key, []).append(page)
    return found


def _by_start(pages: list[Rows]) -> dict[int, dict[str, Any]]:
    found = {}
    for page in pages:
        columns = {name: column.tolist() for name, column in page.items()}
        for place, start in enumerate(columns["start"]):
            found[start] = {name: values[place] for name, values in columns.items()}
    return found
