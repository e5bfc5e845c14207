"""Tokens that could be guessed are refused at the start."""

import pytest

from app import settings
from app.errors import SettingsError


@pytest.mark.parametrize("name", ["READ_TOKEN", "OPERATOR_TOKEN"])
def test_a_short_token_is_refused_and_not_shown(name):
    environ = {f"SMARTMETER_WORKER__{name}": "short-secret"}
    with pytest.raises(SettingsError, match="at least 16 characters") as refusal:
        settings.load(environ)
    assert "short-secret" not in str(refusal.value)


def test_one_token_for_both_roles_is_refused():
    names = ("SMARTMETER_WORKER__READ_TOKEN", "SMARTMETER_WORKER__OPERATOR_TOKEN")
    environ = dict.fromkeys(names, "one-and-the-same-token")
    with pytest.raises(SettingsError, match="are the same"):
        settings.load(environ)
