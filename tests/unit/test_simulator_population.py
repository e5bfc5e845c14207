import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.simulator import population
from app.simulator.population import Counts


@pytest.mark.parametrize(
    ("rate", "lines", "transformers", "usagepoints"),
    [
        (10, 1, 2, 5),
        (50, 1, 3, 16),
        (100, 1, 4, 25),
        (500, 1, 7, 71),
        (600, 2, 4, 75),
        (1000, 2, 5, 100),
        (5000, 2, 8, 312),
        # The cube root of 27000 is 30, though floating point says 29.999….
        (27000, 3, 10, 900),
    ],
)
def test_population_follows_from_the_rate(rate, lines, transformers, usagepoints):
    expected = Counts(lines=lines, transformers=transformers, usagepoints=usagepoints)
    assert expected == population.counts(rate)


@given(st.integers(1, 2**21))
def test_there_are_never_fewer_usage_points_than_transformers_than_lines(rate):
    counts = population.counts(rate)
    assert counts.usagepoints >= counts.transformers >= counts.lines >= 1
    assert rate / 2 < counts.meters <= rate


@given(st.integers(1, 900))
def test_cube_roots_are_exact(root):
    below, at = population._cube_root(root**3 - 1), population._cube_root(root**3)
    assert (root - 1, root) == (below, at)


def test_meters_are_numbered_by_slot_with_the_usage_point_fastest():
    counts = Counts(lines=2, transformers=2, usagepoints=3)
    meters = population.meters(counts, slot=3)
    assert [31] * 6 + [32] * 6 == meters.line.tolist()
    assert [1, 1, 1, 2, 2, 2] * 2 == meters.transformer.tolist()
    assert [1, 2, 3] * 4 == meters.usagepoint.tolist()
    assert 12 == len(meters)


def test_slots_never_share_a_line():
    widest = Counts(lines=9, transformers=1, usagepoints=1)
    lines = [
        line
        for slot in range(1, 50)
        for line in population.meters(widest, slot).line.tolist()
    ]
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize("slot", [0, -1, population.SLOT_MAX + 1])
def test_slot_that_would_leave_the_keys_range_is_refused(slot):
    with pytest.raises(ValueError, match="slot"):
        population.meters(population.counts(1), slot)


@pytest.mark.parametrize("rate", [0, -5, 10**9])
def test_rate_that_makes_no_population_is_refused(rate):
    with pytest.raises(ValueError):
        population.counts(rate)


def java_hash(text):
    """Return Java's String.hashCode, spelled as its documentation does."""
    digest = sum(ord(c) * 31 ** (len(text) - 1 - i) for i, c in enumerate(text))
    return (digest + 2**31) % 2**32 - 2**31


@given(st.integers(1, 2_000), st.integers(1, 10_000))
def test_codes_are_javas_hashes_of_the_keys(rate, slot):
    meters = population.meters(population.counts(rate), slot)
    for at in np.linspace(0, len(meters) - 1, 5).astype(int):
        name = f"{meters.line[at]}.{meters.transformer[at]}.{meters.usagepoint[at]}"
        assert java_hash(name) == meters.code[at]
