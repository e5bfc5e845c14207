"""What came of the publications, row by row, against the oracle."""

from dataclasses import dataclass, field

from tests.alert_oracle import excursions
from tests.alerts_on_road import (
    excursions_of,
    limits_of,
    told_alerts,
    windows_of,
)
from tests.oracle import Oracle, as_float32
from tests.publications import GRACE, SIZE, THRESHOLD, Publications
from tests.road import Road

VOLTS = 1e-5  # the mean is kept in microvolts


@dataclass
class Verdict:
    """Differences found; none is what the product promises."""

    lost: list = field(default_factory=list)
    double: list = field(default_factory=list)
    unexplained: list = field(default_factory=list)
    readings: int = 0
    late: int = 0
    windows: int = 0
    alerts: int = 0
    dead: int = 0

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.double or self.unexplained)

    def __str__(self) -> str:
        text = (
            f"{self.readings} readings, {self.late} late, {self.dead} dead letters,"
            f" {self.windows} windows, {self.alerts} alerts: {len(self.lost)} lost,"
            f" {len(self.double)} double, {len(self.unexplained)} unexplained"
        )
        for name in ("lost", "double", "unexplained"):
            text += "".join(f"\n  {name}: {item}" for item in getattr(self, name)[:5])
        return text


def verdict(road: Road, published: Publications) -> Verdict:
    """Compare frames, windows, late readings, dead letters, maxima with the oracle."""
    result = Verdict(readings=len(published.readings))
    oracle = Oracle(SIZE, GRACE, THRESHOLD)
    _read_frames(road, published, oracle, result)
    result.late = len(oracle.late)
    _compare_windows(road, oracle, result)
    _compare_late(road, oracle, result)
    _compare_maxima(road, oracle, result)
    _compare_alerts(road, oracle, result)
    _compare_dead(road, published, result)
    return result


def _read_frames(road, published, oracle, result):
    """Walk the lanes' frames as a reader would, dropping what comes again."""
    reached, watermarks, seen = {}, {}, set()
    for lane, _, frame in road.records(road.topology.readings.name):
        before = watermarks.get(lane)
        last = reached.get(lane, 0)
        names = (
            "sequence",
            "timestamp",
            "line",
            "transformer",
            "usagepoint",
            "voltage",
        )
        for sequence, *row in zip(*(frame[name] for name in names), strict=True):
            if sequence <= last:
                continue
            if sequence in seen:
                result.double.append(("frame row", sequence))
            seen.add(sequence)
            expected = published.readings.get(sequence)
            if expected is None:
                result.unexplained.append(("frame row", sequence, row))
                continue
            row[-1] = as_float32(row[-1])
            if [*expected[:-1], as_float32(expected[-1])] != row:
                result.unexplained.append(("frame row", sequence, row, expected))
            oracle.read(before, *row)
        reached[lane] = max(last, frame["last"])
        watermarks[lane] = max(
            frame["watermark"], frame["watermark"] if before is None else before
        )
    missing = published.readings.keys() - seen
    result.lost += [("frame row", sequence) for sequence in sorted(missing)]


def _compare_windows(road, oracle, result):
    rows = {}
    for _, _, fields in road.records(road.topology.windows.name):
        names = [n for n, column in fields.items() if isinstance(column, list)]
        for values in zip(*(fields[name] for name in names), strict=True):
            row = dict(zip(names, values, strict=True))
            key = (row["start"], row["line"], row["transformer"])
            if rows.setdefault(key, row) != row:
                result.unexplained.append(("window twice", row, rows[key]))
    result.windows = len(rows)
    last_start = max(start for start, _, _ in oracle.windows)
    for key, window in oracle.windows.items():
        row = rows.pop(key, None)
        if row is None:
            if key[0] != last_start:  # the closers' own windows stay open
                result.lost.append(("window", key))
            continue
        if row["count"] != window.count:
            kind = result.lost if row["count"] < window.count else result.double
            kind.append(("window", key, row["count"], window.count))
        same = (
            as_float32(row["minimum"]) == window.minimum
            and as_float32(row["maximum"]) == window.maximum
            and abs(row["mean"] - window.mean) < VOLTS
            and (row["over"], row["usagepoint"]) == (window.over, window.usagepoint)
        )
        if not same:
            result.unexplained.append(("window", key, row, window))
    result.unexplained += [("window", key) for key in rows]


def _compare_late(road, oracle, result):
    late = {}
    for lane, _, fields in road.records(road.topology.late.name):
        names = ("timestamp", "line", "transformer", "usagepoint", "voltage")
        for sequence, *row in zip(
            fields["sequence"], *(fields[name] for name in names), strict=True
        ):
            late[lane, sequence] = (*row[:-1], as_float32(row[-1]))
    expected = sorted((*r[:-1], as_float32(r[-1])) for r in oracle.late)
    if sorted(late.values()) != expected:
        result.unexplained.append(("late", len(late), len(expected)))


def _compare_maxima(road, oracle, result):
    expected = oracle.fleet_maxima()
    del expected[max(expected)]
    actual = {}
    for _, _, fields in road.records(road.topology.maxima.name):
        epoch, voltage = fields["epoch"], as_float32(fields["voltage"])
        if actual.setdefault(epoch, voltage) != voltage:
            result.unexplained.append(("maximum twice", fields))
    if actual != expected:
        pairs = {k: (expected.get(k), actual.get(k)) for k in expected | actual}
        wrong = {k: pair for k, pair in pairs.items() if pair[0] != pair[1]}
        result.unexplained.append(
            ("maxima: expected, actual", sorted(wrong.items())[:5], len(wrong))
        )


def _compare_alerts(road, oracle, result):
    last_start = max(start for start, _, _ in oracle.windows)
    windows = [w for w in windows_of(oracle) if w["start"] != last_start]
    expected = excursions(windows, limits_of(road.settings, oracle))
    told, differing = told_alerts(road)
    result.unexplained += [("alert twice", *key) for key in differing]
    actual = excursions_of(told)
    result.alerts = sum(map(len, actual.values()))
    for key in sorted(expected.keys() | actual.keys()):
        wanted, found = (set(runs.get(key, ())) for runs in (expected, actual))
        result.lost += [("alert", key, run) for run in sorted(wanted - found, key=str)]
        result.double += [
            ("alert", key, run) for run in sorted(found - wanted, key=str)
        ]


def _compare_dead(road, published, result):
    dead = {f["sequence"] for _, _, f in road.records(road.topology.dead_letters.name)}
    result.dead = len(dead)
    result.lost += [("dead letter", s) for s in sorted(published.broken - dead)]
    result.unexplained += [("dead letter", s) for s in sorted(dead - published.broken)]
