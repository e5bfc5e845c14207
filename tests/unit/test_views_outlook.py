"""What is foreseen per transformer equals a plain look through what waits."""

import numpy as np
import pytest

from app.domain.windows import pack_keys
from app.predictor.tally import Tally
from app.views.outlook import (
    foreseen,
    look_ahead,
    merge_outlooks,
    one_transformer,
    score_tables,
    waiting,
)
from app.views.presentation import objects_of
from tests.fake_worker import FIRST_START, FakeWorker

ALERT = 0.3
SIZE = 900


@pytest.fixture(scope="module")
def fake():
    fake = FakeWorker()
    fake.foresee(transformers=21, starts=200)
    return fake


def plainly(fake):
    """Every prediction that waits, as (line, transformer): [(p, volts, start)]."""
    found = {}
    for forecaster in fake.forecasts.values():
        for target, pendings in forecaster.pending.items():
            for pending in pendings:
                for row, key in enumerate(pending.key.tolist()):
                    pair = key >> 32, key & 0xFFFFFFFF
                    found.setdefault(pair, []).append(
                        (
                            pending.published[row],
                            pending.column("foretold")[row],
                            target,
                        )
                    )
    return found


@pytest.mark.parametrize("limit", [1, 5, 21, 1_000])
def test_the_likeliest_transformers_come_first_however_lanes_share_them(fake, limit):
    outlook = merge_outlooks(
        [look_ahead(waiting(each), ALERT, limit) for each in fake.forecasts.values()],
        limit,
    )
    every = plainly(fake)
    best = {pair: max(rows) for pair, rows in every.items()}
    order = sorted(best, key=lambda pair: (-best[pair][0], -best[pair][1], pair))
    actual = objects_of(outlook.columns)
    assert order[:limit] == [(one["line"], one["transformer"]) for one in actual]
    assert 21 == outlook.transformers
    alerts = {p: sum(r[0] >= ALERT for r in rows) for p, rows in every.items()}
    assert sum(map(bool, alerts.values())) == outlook.alerts > 0
    for pair, one in zip(order, actual, strict=False):
        assert best[pair] == (
            one["probability"],
            one["foretold_maximum_volts"],
            one["window_start_epoch_seconds"],
        )
        assert (alerts[pair], len(every[pair])) == (
            one["alerts_count"],
            one["predictions_count"],
        )


def test_one_transformer_is_foreseen_window_by_window_to_the_horizon(fake):
    key = int(pack_keys(np.array([12]), np.array([3]))[0])
    rows = [
        row
        for each in fake.forecasts.values()
        for row in one_transformer(foreseen(each), key, ALERT)
    ]
    starts = [row["window_start_epoch_seconds"] for row in rows]
    assert sorted(starts) == starts
    assert FIRST_START - SIZE + 12 * 3_600 == starts[-1]
    expected = plainly(fake)[12, 3]
    assert sorted(expected) == sorted(
        (
            row["probability"],
            row["foretold_maximum_volts"],
            row["window_start_epoch_seconds"],
        )
        for row in rows
    )
    assert all(row["alert"] == (row["probability"] >= ALERT) for row in rows)


def test_an_unknown_transformer_is_not_foreseen(fake):
    for each in fake.forecasts.values():
        assert [] == one_transformer(foreseen(each), 99, ALERT)


def test_scores_of_all_lanes_are_those_of_one_tally(fake):
    vectors = [each.scores.week.vector for each in fake.forecasts.values()]
    tables = score_tables(vectors)
    whole = Tally(np.sum(vectors, axis=0))
    assert whole.count == tables["labels_count"] > 0
    right = whole.part("confusion")[[0, 3]].sum() / whole.count
    assert right == pytest.approx(tables["models"]["published"]["accuracy"])
    assert {"regression", "direct", "persistence", "climatology"} < tables[
        "models"
    ].keys()


def test_nothing_scored_has_no_scores():
    assert 0 == score_tables([])["labels_count"]
    assert {} == score_tables([])["models"]


def test_nothing_foreseen_is_an_empty_outlook():
    outlook = look_ahead([], ALERT, 5)
    assert (0, 0, []) == (
        outlook.transformers,
        outlook.alerts,
        objects_of(outlook.columns),
    )
