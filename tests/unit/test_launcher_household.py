"""The household's 230 V are judged by a standard for them, unless somebody chose."""

import pytest

from app import settings
from deploy.local.run import _judge_as_europe_does

STANDARD, THRESHOLD = (
    "SMARTMETER_WINDOWS__STANDARD",
    "SMARTMETER_WINDOWS__THRESHOLD_VOLTS",
)


@pytest.mark.parametrize(
    ("chosen", "standard", "volts"),
    [
        ({}, "en50160", 253.0),
        ({THRESHOLD: "245"}, "seed", 245.0),
        ({STANDARD: "ansi-c84.1"}, "ansi-c84.1", 126.0),
    ],
)
def test_a_person_s_choice_stands(monkeypatch, chosen, standard, volts):
    environ = dict(chosen)
    monkeypatch.setattr("os.environ", environ)
    _judge_as_europe_does()
    windows = settings.load(environ).windows
    assert (standard, volts) == (windows.standard, windows.threshold_volts)
