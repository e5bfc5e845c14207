"""What runs, where, and for how long: for a person."""

import time
from datetime import timedelta

from rich.console import Console
from rich.table import Table

from deploy.local.ledger import Entry
from deploy.local.ports import HOST
from deploy.local.stack import Stack

__all__ = ["show"]


def show(stack: Stack, console: Console) -> None:
    """Print one row per server, and per process of a run."""
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "state", "process", "up for", "address"):
        table.add_column(heading)
    entries, servers = stack.ledger.read(), stack.servers
    for name in [*servers, *(name for name in entries if name not in servers)]:
        entry = entries.get(name)
        if entry is not None and entry.process.alive:
            since = timedelta(seconds=int(time.time() - entry.started))
            where = _address(stack, name, entry)
            table.add_row(name, "running", str(entry.pid), str(since), where)
        elif name in servers:
            table.add_row(name, "stopped", "", "", "")
    console.print(table)


def _address(stack: Stack, name: str, entry: Entry) -> str:
    if name in stack.servers:
        return stack.servers[name].addresses(entry.ports)[name]
    return f"http://{HOST}:{entry.ports['web']}"
