import pytest

from app import settings
from app.errors import SettingsError


def test_nested_variable_is_read_and_typed():
    loaded = settings.load({"SMARTMETER_KAFKA__LANES": "4", "HOME": "x"})
    assert 4 == loaded.kafka.lanes


def test_value_may_come_from_a_file(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("open sesame\n")
    loaded = settings.load({"SMARTMETER_ARCHIVE__PASSWORD_FILE": str(secret)})
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
    environ = {"SMARTMETER_ARCHIVE__PASSWORD": "open sesame"}
    rows = list(settings.describe(settings.load(environ), environ))
    assert "open sesame" not in str(rows)
    row = next(r for r in rows if r.name == "SMARTMETER_ARCHIVE__PASSWORD")
    assert ("(hidden)", "environment") == (row.value, row.source)


def test_every_setting_has_a_description():
    assert all(
        row.description.endswith(".")
        for row in settings.describe(settings.load({}), {})
    )
