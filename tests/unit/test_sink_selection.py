"""Selections by day, line and transformer, told by a date or by an epoch."""

from datetime import date

import numpy as np

from app.sinks.selection import Selection


def by_date(*days):
    year, month, day = zip(*days, strict=True)
    return {"year": np.array(year), "month": np.array(month), "day": np.array(day)}


def test_days_are_included_at_both_ends_across_months_and_years():
    rows = by_date((2025, 12, 30), (2025, 12, 31), (2026, 1, 1), (2026, 1, 2))
    selection = Selection(first=date(2025, 12, 31), last=date(2026, 1, 1))
    assert [False, True, True, False] == selection.of(rows).tolist()


def test_epochs_are_told_by_their_utc_day():
    day = 86_400
    rows = {"epoch": np.array([day - 1, day, 2 * day - 1, 2 * day])}
    selection = Selection(first=date(1970, 1, 2), last=date(1970, 1, 2))
    assert [False, True, True, False] == selection.of(rows).tolist()


def test_line_and_transformer_are_told_where_rows_have_them():
    rows = {"line": np.array([11, 11, 12]), "transformer": np.array([1, 2, 1])}
    chosen = Selection(line=11, transformer=1).take(rows)
    assert ([11], [1]) == (chosen["line"].tolist(), chosen["transformer"].tolist())
    assert 2 == len(Selection(line=11).take({"line": np.array([11, 11])})["line"])


def test_nothing_chosen_is_everything():
    assert Selection().is_everything
    assert not Selection(line=1).is_everything
