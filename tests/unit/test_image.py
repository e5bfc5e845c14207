"""What an engine would find out about the Dockerfile, as far as none is needed."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.composed import composed

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_health_check_of_compose_is_that_of_the_image():
    options, command = re.search(r"HEALTHCHECK (.*) .\n +CMD (.*)", DOCKERFILE).groups()
    image = dict(re.findall(r"--([\w-]+)=(\w+)", options))
    asked = {
        name: dict(service["healthcheck"])
        for name, service in composed("compose.yaml")["services"].items()
        if "LIVE_PORT" in service.get("environment", {})
    }
    assert {"bridge", "worker", "archive", "exporter", "simulator"} == asked.keys()
    for told in asked.values():
        assert ["CMD", *json.loads(command)] == told.pop("test")
        assert image == {k.replace("_", "-"): str(v) for k, v in told.items()}


def test_image_gets_what_the_project_names():
    words = re.search(r"&& (python -c \".*\") >needed.txt", DOCKERFILE)[1]
    done = subprocess.run(
        [sys.executable, *shlex.split(words)[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    expected = [*project["dependencies"], *project["optional-dependencies"]["export"]]
    assert expected == done.stdout.splitlines()


def test_code_changes_the_last_layers_alone():
    build = DOCKERFILE.partition("AS build")[2].partition("\nFROM ")[0]
    needed, code = build.index("--requirement needed.txt"), build.index("COPY app app")
    assert needed < code
    copied = re.findall(r"COPY --from=build (\S+)", DOCKERFILE)
    assert ["/opt/smartmeter", "/opt/application"] == copied
