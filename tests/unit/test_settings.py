import pytest

from app import settings
from app.errors import SettingsError


def test_nested_variable_is_read_and_typed():
    loaded = settings.load({"SMARTMETER_KAFKA__LANES": "4", "HOME": "x"})
    assert 4 == loaded.kafka.lanes


def test_value_may_come_from_a_file(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("open sesame\n")
    loaded = settings.load(
        {
            "SMARTMETER_ARCHIVE__USERNAME": "archive",
            "SMARTMETER_ARCHIVE__PASSWORD_FILE": str(secret),
        }
    )
    assert "open sesame" == loaded.archive.password.get_secret_value()


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"SMARTMETER_KAFKA__LANES": "many"}, "SMARTMETER_KAFKA__LANES: "),
        ({"SMARTMETER_KAFKA__LANES": "0"}, "SMARTMETER_KAFKA__LANES: "),
        ({"SMARTMETER_KAFKA__LANE": "8"}, "SMARTMETER_KAFKA__LANE: no such setting"),
        ({"SMARTMETER_NAMESPACE": "Bad Name"}, "SMARTMETER_NAMESPACE: "),
        (
            {"SMARTMETER_WINDOWS__SIZE_SECONDS": "1000"},
            "SMARTMETER_WINDOWS: size_seconds",
        ),
        (
            {"SMARTMETER_ARCHIVE__PASSWORD_FILE": "/nowhere"},
            "SMARTMETER_ARCHIVE__PASSWORD_FILE",
        ),
    ],
)
def test_wrong_value_is_refused_in_one_line_that_names_the_variable(environ, message):
    with pytest.raises(SettingsError) as caught:
        settings.load(environ)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_secret_is_never_shown():
    environ = {
        "SMARTMETER_ARCHIVE__USERNAME": "archive",
        "SMARTMETER_ARCHIVE__PASSWORD": "open sesame",
    }
    rows = list(settings.describe(settings.load(environ), environ))
    assert "open sesame" not in str(rows)
    row = next(r for r in rows if r.name == "SMARTMETER_ARCHIVE__PASSWORD")
    assert ("(hidden)", "environment") == (row.value, row.source)


def test_every_setting_has_a_description():
    assert all(
        row.description.endswith(".")
        for row in settings.describe(settings.load({}), {})
    )


OWN_STANDARD = """
name = "our grid"
nominal_volts = 400.0
inner = [380.0, 420.0]
outer = [360.0, 440.0]
judges = "mean"
"""


@pytest.mark.parametrize(
    ("environ", "volts"),
    [
        ({}, 116.0),
        ({"SMARTMETER_WINDOWS__STANDARD": "ansi-c84.1"}, 126.0),
        ({"SMARTMETER_WINDOWS__STANDARD": "en50160"}, 253.0),
        ({"SMARTMETER_WINDOWS__STANDARD": OWN_STANDARD}, 420.0),
        (
            {
                "SMARTMETER_WINDOWS__STANDARD": "en50160",
                "SMARTMETER_WINDOWS__THRESHOLD_VOLTS": "245",
            },
            245.0,
        ),
    ],
)
def test_the_threshold_follows_the_standard_unless_it_is_given(environ, volts):
    assert volts == settings.load(environ).windows.threshold_volts


def test_the_seed_standard_is_its_threshold():
    environ = {"SMARTMETER_WINDOWS__THRESHOLD_VOLTS": "118"}
    assert 118.0 == settings.load(environ).windows.profile.inner.high


def test_a_standard_of_ones_own_comes_from_a_file_and_is_shown_in_one_line(tmp_path):
    path = tmp_path / "standard.toml"
    path.write_text(OWN_STANDARD)
    environ = {"SMARTMETER_WINDOWS__STANDARD_FILE": str(path)}
    loaded = settings.load(environ)
    assert "our grid" == loaded.windows.profile.name
    rows = list(settings.describe(loaded, environ))
    row = next(r for r in rows if r.name == "SMARTMETER_WINDOWS__STANDARD")
    assert ("file", False) == (row.source, "\n" in row.value)


@pytest.mark.parametrize(
    ("standard", "message"),
    [
        ("iec", "no voltage standard 'iec'; know seed, ansi-c84.1"),
        (OWN_STANDARD.replace("mean", "mode"), "judges is neither mean nor extremes"),
        (OWN_STANDARD.replace("nominal_volts", "volts"), "'nominal_volts' is missing"),
        ("name = [", "not TOML"),
        (OWN_STANDARD.replace("420.0", "inf").replace("440.0", "inf"), "upper limit"),
    ],
)
def test_a_standard_that_makes_no_sense_is_refused_in_one_line(standard, message):
    with pytest.raises(SettingsError) as caught:
        settings.load({"SMARTMETER_WINDOWS__STANDARD": standard})
    assert str(caught.value).startswith("SMARTMETER_WINDOWS")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
