"""Whom Prometheus shall ask: a file for each running process, which it watches.

`targets/NAME.json` is what a `file_sd_configs` reads. A file that goes takes its target
with it, so that a process that was stopped is not taken for one that is down.
"""

import json
from pathlib import Path

from deploy.local.ports import HOST

__all__ = ["JOBS", "clear", "write"]

# By the first word of a process's name.
JOBS = ("archive", "bridge", "exporter", "simulator", "worker")
FOLDER = "targets"


def write(folder: Path, name: str, port: int, scheme: str = "http") -> None:
    """Tell Prometheus of a process, and by which scheme it is asked."""
    job = name.partition("-")[0]
    if job not in JOBS:
        raise ValueError(f"{name}: no job of {', '.join(JOBS)}")
    path = folder / FOLDER / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = {"job": job}
    if scheme != "http":
        labels["__scheme__"] = scheme
    entry = {"targets": [f"{HOST}:{port}"], "labels": labels}
    whole = path.with_suffix(".new")  # Prometheus must never read half a file
    whole.write_text(json.dumps([entry]), encoding="utf-8")
    whole.replace(path)


def clear(folder: Path, *names: str) -> None:
    """Tell Prometheus of these processes no more; none named: of none at all."""
    targets = folder / FOLDER
    for path in [targets / f"{name}.json" for name in names] or targets.glob("*.json"):
        path.unlink(missing_ok=True)
