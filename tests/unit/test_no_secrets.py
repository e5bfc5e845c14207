"""No credential lies in the tree: neither in a tracked file nor in one about to be."""

import re
import subprocess

import pytest

from deploy.local.process import ROOT

TESTS = ROOT / "tests"
# Each is a form that only a real credential has; a name or a placeholder has none.
FORMS = {
    "private key": rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\s+[\w+/=\s]{64}",
    "nkey seed": rb"\bS[UAOCNX][A-Z2-7]{56}\b",
    "NATS credentials": rb"-----BEGIN NATS USER JWT-----\s+ey",
    "JSON web token": rb"\beyJ[\w-]{16,}\.eyJ[\w-]{16,}\.[\w-]{16,}",
    "key of a cloud": rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}\b",
    "token of a forge": rb"\b(?:gh[pousr]_\w{36}|github_pat_\w{40}|glpat-[\w-]{20})",
    "token of a registry": rb"\bpypi-AgEI\w{30}|\bnpm_\w{36}\b|\bdckr_pat_\w{20}",
    "token of a chat": rb"\bxox[abpr]-[\w-]{20}|hooks\.slack\.com/services/T\w+/B",
    "password in an address": rb"\b[a-z][a-z+]*://[^/\s:@{}$<>'\"]+:[^/\s:@{}$<>'\"]{6,}@",
    "assigned secret": (
        rb"(?im)^\s*(?:export\s+)?[\w.]*(?:password|passwd|secret|token|api_?key)"
        rb"[\w.]*\s*[:=]\s*['\"]?(?=[^\s'\"]*\d)(?=[^\s'\"]*[a-z])(?=[^\s'\"]*[A-Z])"
        rb"[A-Za-z0-9+/_=-]{20,}['\"]?\s*$"
    ),
}
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


@pytest.mark.parametrize("form", FORMS)
def test_tree_holds_no(form):
    pattern = re.compile(FORMS[form])
    guilty = [
        f"{path.relative_to(ROOT)}: {found[0][:12]!r}…"
        for path in files()
        if path.is_file()
        for found in pattern.finditer(path.read_bytes())
        if not (path.is_relative_to(TESTS) and MADE_UP.search(found[0]))
    ]
    assert [] == guilty


@pytest.mark.parametrize("form", FORMS)
def test_scan_finds_a(form):
    assert re.search(FORMS[form], EXAMPLES[form])
