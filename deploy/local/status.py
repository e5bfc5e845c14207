"""What runs, where, and for how long: for a person."""

import time
from datetime import timedelta

from rich.console import Console
from rich.table import Table

from deploy.local.stack import SERVERS, Stack

__all__ = ["show"]


def show(stack: Stack, console: Console) -> None:
    """Print one row per server."""
    table = Table(box=None, pad_edge=False)
    for heading in ("server", "state", "process", "up for", "address"):
        table.add_column(heading)
    entries = stack.ledger.read()
    for name, server in SERVERS.items():
        process = stack.process(name)
        if not process.alive:
            table.add_row(name, "stopped", "", "", "")
            continue
        since = timedelta(seconds=int(time.time() - process.started))
        address = server.addresses(entries[name].ports)[name]
        table.add_row(name, "running", str(process.pid), str(since), address)
    console.print(table)
