"""The code checks itself: limits that are not enforced are intentions."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = ("app", "agents", "tables", "bridge", "deploy")
MODULE_LINES_MAX = 300
FUNCTION_LINES_MAX = 50
HOMELESS = {"utils", "helpers", "common", "core", "misc"}

MODULES = sorted(p for folder in SHIPPED for p in (ROOT / folder).rglob("*.py"))


def tracked_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    return [ROOT / name for name in listing.stdout.split("\0") if name]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_module_and_its_functions_are_small(path):
    source = path.read_text()
    assert source.count("\n") <= MODULE_LINES_MAX
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_module_says_what_it_is_for_and_is_named_for_it(path):
    assert ast.get_docstring(ast.parse(path.read_text()))
    assert path.stem not in HOMELESS


def test_no_tracked_file_names_a_registry_or_a_home_folder():
    pattern = re.compile(
        rb"files\.pythonhosted|pypi\.org/simple|--(extra-)?index-url|/(root|work|home)/\w"
    )
    guilty = [
        path.relative_to(ROOT)
        for path in tracked_files()
        if path.exists()
        and path != Path(__file__)
        and pattern.search(path.read_bytes())
    ]
    assert [] == guilty


def test_tests_lie_flat_and_no_folder_is_named_like_a_package():
    folders = {p.name for p in (ROOT / "tests").rglob("*") if p.is_dir()}
    assert not folders & {"app", "agents", "tables", "bridge", "deploy"}
    names = [p.name for p in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)
