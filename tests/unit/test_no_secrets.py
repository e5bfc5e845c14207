"""No credential lies in the tree: neither in a tracked file nor in one about to be."""

import re
import subprocess

import pytest

from deploy.local.process import ROOT
from tests.credentials import FORMS, found_in, logged, main

TESTS = ROOT / "tests"
EXAMPLES = {
    "private key": b"-----BEGIN PRIVATE KEY-----\n" + b"MIIE" * 20,
    "nkey seed": b"SU" + b"A2" * 28,
    "NATS credentials": b"-----BEGIN NATS USER JWT-----\n" + b"eyJ0",
    "JSON web token": b".".join([b"eyJ" + b"a" * 20, b"eyJ" + b"b" * 20, b"c" * 20]),
    "key of a cloud": b"AKIA" + b"A" * 16,
    "token of a forge": b"ghp_" + b"a" * 36,
    "token of a registry": b"npm_" + b"a" * 36,
    "token of a chat": b"xoxb-" + b"1" * 24,
    "password in an address": b"nats://me:" + b"hunter22" + b"@host:4222",
    "assigned secret": b"KAFKA_PASSWORD=" + b"aB3" * 8,
}
# What a test makes up says so.
MADE_UP = re.compile(rb"(?i)secret|password|hunter")


def files():
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return [ROOT / name for name in listing.stdout.split("\0") if name]


def test_tree_holds_no_credential():
    guilty = [
        f"{path.relative_to(ROOT)}: {form}: {text[:12]!r}…"
        for path in files()
        if path.is_file()
        for form, text in found_in(path)
        if not (path.is_relative_to(TESTS) and MADE_UP.search(text))
    ]
    assert [] == guilty


@pytest.mark.parametrize("form", FORMS)
def test_scan_finds_a(form):
    assert re.search(FORMS[form], EXAMPLES[form])


def test_what_a_run_has_logged_is_searched_too(tmp_path, capsys):
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "worker-1.log.1"
    log.write_bytes(b"all is well\n")
    assert 0 == main([str(tmp_path)])
    assert f"no credential in 1 files of {tmp_path}\n" == capsys.readouterr().out
    log.write_bytes(EXAMPLES["password in an address"])
    assert [log] == logged(tmp_path)
    assert 1 == main([str(tmp_path)])
    assert f"{log}: password in an address" in capsys.readouterr().out
