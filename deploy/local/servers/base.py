"""What the stack asks of a server; NATS, Kafka and Cassandra stand behind it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

__all__ = ["Report", "Server"]

Report = Callable[[str], None]  # takes one line for a person


class Server(Protocol):
    """One server: its files, its command line, its addresses and its proof of life."""

    @property
    def name(self) -> str:
        """Name on the command line, of its folders and of its log."""

    @property
    def usual_ports(self) -> Mapping[str, int]:
        """Where people expect it: port by role."""

    @property
    def stop_seconds(self) -> float:
        """How long it may take to end in good order."""

    def fetch(self, report: Report) -> None:
        """Bring what it runs from onto this machine."""

    def prepare(self, folder: Path, ports: Mapping[str, int]) -> Sequence[str | Path]:
        """Write its configuration under a folder; return its command line."""

    def addresses(self, ports: Mapping[str, int]) -> dict[str, str]:
        """Return what clients are told, by name."""

    def environ(self, ports: Mapping[str, int]) -> dict[str, str]:
        """Return the product's settings that lead to it."""

    def probe(self, ports: Mapping[str, int]) -> None:
        """Use it once, as a client would; raise whatever shows that it is not ready."""
