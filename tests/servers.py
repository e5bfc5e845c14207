"""Real servers for tests, started on first use and stopped with the session.

`SMARTMETER_TEST_NATS`, `…_KAFKA` and `…_CASSANDRA` point at existing ones instead.
"""

import os
import shutil
from pathlib import Path

from app import settings
from deploy.local.stack import SERVERS, Stack

__all__ = ["Servers"]


class Servers:
    """The servers of one test session."""

    def __init__(self, folder: Path) -> None:
        self.stack = Stack(folder, usual_ports=False)
        self._given: dict[str, str] = {}
        self._started: set[str] = set()

    def need(self, name: str) -> str:
        """Return the address of a server, which is ready then."""
        given = os.environ.get(f"SMARTMETER_TEST_{name.upper()}")
        if given:
            self._given[name] = given
            return given
        if name not in self._started:
            self.stack.start(name)
            self._started.add(name)
        return self.stack.addresses[name]

    def environ(self, namespace: str) -> dict[str, str]:
        """Return the settings that lead to the servers needed so far."""
        found = self.stack.environ(namespace)
        for name, address in self._given.items():
            if name == "cassandra":
                host, _, port = address.partition(":")
                found[settings.variable("archive", "contact_points")] = host
                found[settings.variable("archive", "port")] = port or "9042"
            else:
                found[settings.variable(name, "servers")] = address
        return found

    def close(self) -> None:
        """Stop what was started, and remove its data; the logs stay."""
        self.stack.stop(*self._started)
        self.stack.close()
        for name in SERVERS:
            shutil.rmtree(self.stack.folder / name, ignore_errors=True)
