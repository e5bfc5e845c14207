"""What runs, where, and for how long: for a person."""

import time
from datetime import timedelta

from rich.console import Console
from rich.table import Table

from deploy.local.ledger import Entry
from deploy.local.ports import HOST
from deploy.local.stack import SERVERS, Stack

__all__ = ["show"]


def show(stack: Stack, console: Console) -> None:
    """Print one row per server, and per process of a run."""
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "state", "process", "up for", "address"):
        table.add_column(heading)
    entries = stack.ledger.read()
    for name in [*SERVERS, *(name for name in entries if name not in SERVERS)]:
        entry = entries.get(name)
        if entry is not None and entry.process.alive:
            since = timedelta(seconds=int(time.time() - entry.started))
            where = _address(name, entry)
            table.add_row(name, "running", str(entry.pid), str(since), where)
        elif name in SERVERS:
            table.add_row(name, "stopped", "", "", "")
    console.print(table)


def _address(name: str, entry: Entry) -> str:
    if name in SERVERS:
        return SERVERS[name].addresses(entry.ports)[name]
    return f"http://{HOST}:{entry.ports['web']}"
