"""Which alerts windows must raise and clear, found key by key, window by window.

Written without a look at app/domain: dictionaries and loops, no NumPy.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    size: int
    threshold: float
    low: float
    high: float
    by_mean: bool
    over_min: int
    clear_windows: int
    margin: float


def excursions(windows, limits):
    """Return, by (line, transformer, side), (epoch raised, end cleared or None) pairs.

    windows are dicts, one a window, no window twice.
    """
    found = {}
    for key in sorted({(w["line"], w["transformer"]) for w in windows}):
        mine = sorted(
            (w for w in windows if (w["line"], w["transformer"]) == key),
            key=lambda w: w["start"],
        )
        for side, is_bad, is_calm in (
            ("high", _is_over, _is_calm_below),
            ("low", _is_under, _is_calm_above),
        ):
            runs = _runs(
                [(w["start"], is_bad(w, limits), is_calm(w, limits)) for w in mine],
                limits,
            )
            if runs:
                found[(*key, side)] = runs
    return found


def _runs(marks, limits):
    runs = []
    raised, calm = None, []
    for start, bad, quiet in marks:
        if raised is None:
            if bad:
                raised, calm = start, []
            continue
        if bad or not quiet:
            calm = []
            continue
        if calm and calm[-1] + limits.size != start:
            calm = []  # a window is missing between them
        calm.append(start)
        if len(calm) == limits.clear_windows:
            runs.append((raised, start + limits.size))
            raised = None
    if raised is not None:
        runs.append((raised, None))
    return runs


def _is_over(window, limits):
    if window["over"] >= limits.over_min:
        return True
    return limits.by_mean and window["mean"] > limits.high


def _is_calm_below(window, limits):
    if window["maximum"] > limits.threshold - limits.margin:
        return False
    return not limits.by_mean or window["mean"] <= limits.high - limits.margin


def _is_under(window, limits):
    return window["mean" if limits.by_mean else "minimum"] < limits.low


def _is_calm_above(window, limits):
    lowest = window["mean" if limits.by_mean else "minimum"]
    return lowest >= limits.low + limits.margin
