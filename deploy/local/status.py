"""What runs, where, and for how long."""

import time
from collections.abc import Iterator
from typing import Any

from app import control
from deploy.local.errors import LauncherError
from deploy.local.kept import Kept
from deploy.local.stack import Stack
from deploy.local.system import System

__all__ = ["Row", "look", "rows"]

ANSWER_SECONDS_MAX = 5.0

ROAD = ("simulator", "bridge", "worker", "archive", "exporter")

Row = dict[str, Any]
"""name, state, pid (None: none runs), up_seconds, restarts, address."""

STOPPED: Row = {
    "name": "",
    "state": "stopped",
    "pid": None,
    "up_seconds": None,
    "restarts": 0,
    "address": "",
}


def look(stack: Stack) -> list[Row]:
    """Return a row for each process: from who runs them, or else from the ledger.

    Raises:
        LauncherError: Who runs them does not answer.
    """
    try:
        found: list[Row] = control.ask(
            stack.folder, "ps", seconds_max=ANSWER_SECONDS_MAX
        )
    except control.NoRun:
        return list(rows(stack))
    except control.NotDone as error:
        raise LauncherError(str(error)) from None
    return found


def rows(stack: Stack, system: System | None = None) -> Iterator[Row]:
    """Yield a row for each server, and for each process that is to run."""
    entries = stack.ledger.read()
    for name in stack.servers:
        entry = entries.get(name)
        if entry is None or not entry.process.alive:
            yield STOPPED | {"name": name}
            continue
        yield STOPPED | {
            "name": name,
            "state": "running",
            "pid": entry.pid,
            "up_seconds": round(time.time() - entry.started, 1),
            "address": stack.servers[name].addresses(entry.ports)[name],
        }
    for kept in sorted(system.kept if system else (), key=_place):
        up_seconds = round(time.monotonic() - kept.begun, 1)
        alive = kept.process.alive
        yield {
            "name": kept.role.name,
            "state": kept.state,
            "pid": kept.process.pid if alive else None,
            "up_seconds": up_seconds if alive else None,
            "restarts": kept.restarts.total,
            "address": stack.pages.url(kept.port),
        }


def _place(kept: Kept) -> tuple[int, str]:
    """Return where a process stands on the road."""
    stage = kept.role.stage
    return ROAD.index(stage) if stage in ROAD else len(ROAD), kept.role.name
