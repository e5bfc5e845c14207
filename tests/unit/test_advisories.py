"""An audit against a folder of advisories finds what they name, and nothing else."""

import json
import sys

import pytest

from deploy.advisories import Advisories, is_affected, main

RANGE = {
    "type": "ECOSYSTEM",
    "events": [
        {"introduced": "2.0"},
        {"fixed": "2.0.3"},
        {"introduced": "0"},
        {"fixed": "1.10"},
        {"introduced": "3.0"},
        {"last_affected": "3.1"},
    ],
}
YAML = """\
id: PYSEC-2026-1
modified: 2026-01-02T03:04:05Z
affected:
- package: {ecosystem: PyPI, name: some-package}
  versions: ["1.10"]
"""
NOTHING = "id: readme\nabout: nothing\n"
ASKS = """
import json, sys, urllib.request
question = {"package": {"name": "Some_Package"}, "version": sys.argv[2]}
body = json.dumps(question).encode()
with urllib.request.urlopen(sys.argv[1], body) as answer:
    raise SystemExit(len(json.load(answer)["vulns"]))
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "vulns").mkdir()
    (tmp_path / "vulns" / "PYSEC-2026-1.yaml").write_text(YAML)
    (tmp_path / "vulns" / "other.yaml").write_text(NOTHING)
    elsewhere = {"ecosystem": "npm", "name": "some-package"}
    ours = {"ecosystem": "PyPI", "name": "some-package"}
    for number, package in ((2, ours), (3, elsewhere)):
        advisory = {
            "id": f"GHSA-{number}",
            "modified": f"2026-0{number}-01T00:00:00Z",
            "affected": [{"package": package, "ranges": [RANGE]}],
        }
        (tmp_path / f"{number}.json").write_text(json.dumps(advisory))
    return tmp_path


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("0.1", True),
        ("1.9", True),
        ("1.10", False),
        ("1.11", False),
        ("2.0", True),
        ("2.0.3rc1", True),
        ("2.0.3", False),
        ("3.1", True),
        ("3.1.1", False),
    ],
)
def test_a_range_is_open_from_what_introduced_the_fault_to_what_mended_it(
    version, expected
):
    assert expected == is_affected(version, {"ranges": [RANGE]})


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([{"introduced": "0"}, {"fixed": "by hand"}], True),
        ([{"introduced": "0"}, {"last_affected": "by hand"}], True),
        ([{"introduced": "by hand"}], True),
        ([{"introduced": "by hand"}, {"fixed": "1.0"}], False),
    ],
)
def test_what_is_no_version_mends_no_fault(events, expected):
    found = {"ranges": [{"type": "ECOSYSTEM", "events": events}]}
    assert expected == is_affected("1.0", found)


def test_a_folder_answers_for_packages_of_pypi_alone(folder):
    advisories = Advisories(folder)
    assert (2, "2026-02-01T00:00:00Z") == (advisories.count, advisories.newest)
    found = {
        version: [each["id"] for each in advisories.about("Some.Package", version)]
        for version in ("1.10", "2.0", "2.1")
    }
    assert {"1.10": ["PYSEC-2026-1"], "2.0": ["GHSA-2"], "2.1": []} == found
    assert [] == advisories.about("another", "2.0")


@pytest.mark.parametrize(("version", "expected"), [("2.0", 1), ("2.1", 0)])
def test_a_command_asks_them_and_its_exit_code_is_the_audits(
    folder, capfd, version, expected
):
    command = [sys.executable, "-c", ASKS, "{url}", version]
    assert expected == main([str(folder), *command])
    assert "2 advisories" in capfd.readouterr().out


def test_a_folder_without_advisories_is_no_clean_audit(tmp_path, capsys):
    assert 2 == main([str(tmp_path), "true"])
    assert "holds no advisory" in capsys.readouterr().out
    assert 2 == main([str(tmp_path / "none"), "true"])
    assert "is no folder" in capsys.readouterr().out
