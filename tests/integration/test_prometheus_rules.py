"""Prometheus's own judge of configuration, rules, and what processes show."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "prometheus"


def promtool(*words, text=None):
    """Run promtool to its end; return whether all is well, and what it said."""
    done = subprocess.run(
        ["promtool", *map(str, words)],
        input=text,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(p.name for p in FOLDER.glob("prometheus*.yml")))
def test_configuration_is_sound(name):
    # Files of secrets are there when it runs.
    code, said = promtool("check", "config", "--syntax-only", FOLDER / name)
    assert 0 == code, said


def test_rules_are_sound():
    code, said = promtool("check", "rules", *sorted(FOLDER.glob("rules/*.yml")))
    assert 0 == code, said
    assert "duplicate" not in said


@pytest.mark.parametrize("name", ["alerts.yml", "recording.yml"])
def test_rules_do_what_their_tests_say(name):
    code, said = promtool("test", "rules", FOLDER / "tests" / name)
    assert 0 == code, said


@pytest.mark.parametrize(
    "stages",
    [
        ("live", "faust", "forecast"),
        ("archive", "faust"),
        ("bridge",),
        ("simulator",),
        ("exporter", "nats", "kafka", "cassandra", "servers"),
    ],
    ids="-".join,
)
def test_what_processes_show_is_sound(stages):
    """Each family as it is declared, with a sample of it, in a process of its own."""
    code = f"""
import importlib
from prometheus_client import generate_latest
from app.metrics.families import Families, Sample
for stage in {stages!r}:
    module = importlib.import_module(f"app.metrics.{{stage}}")
    families = getattr(module, "FAMILIES", ())
    samples = [Sample(f.name, ("1",) * len(f.labels), 1.0) for f in families]
    Families(families, lambda samples=samples: samples).register()
print(generate_latest().decode())
"""
    shown = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert "smartmeter_" in shown
    code, said = promtool("check", "metrics", text=shown)
    assert (0, "") == (code, said)
