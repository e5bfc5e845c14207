"""Settings of the exporter."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from app.settings.base import Section

__all__ = ["Exporter"]


class Exporter(Section):
    """What tells Prometheus of NATS, Kafka and Cassandra themselves."""

    host: str = Field("127.0.0.1", description="Address of /live, /ready and /metrics.")
    port: int = Field(
        6085, ge=0, le=65_535, description="Port of /live, /ready and /metrics."
    )
    nats_monitors: str = Field(
        "http://127.0.0.1:8222",
        description="Monitoring address of each NATS server, comma-separated; empty:"
        " none is asked.",
    )
    processes: str = Field(
        "",
        pattern=r"^(\w+=\d{1,9}(,\w+=\d{1,9})*)?$",
        description="Servers of this machine whose CPU and memory are told, as"
        " name=pid, comma-separated; not needed where an orchestrator measures them.",
    )
    interval_seconds: float = Field(
        5.0, ge=0.5, le=300, description="From one question to the next."
    )
    timeout_seconds: float = Field(
        4.0, ge=0.1, le=60, description="Bound of one answer of all of a kind."
    )

    @property
    def addresses(self) -> list[str]:
        """The monitoring addresses, without a slash at their end."""
        return [
            address.strip().rstrip("/")
            for address in self.nats_monitors.split(",")
            if address.strip()
        ]

    @property
    def process_numbers(self) -> dict[str, int]:
        """The servers' processes, by name."""
        pairs = (pair.partition("=") for pair in self.processes.split(",") if pair)
        return {name: int(number) for name, _, number in pairs}

    @model_validator(mode="after")
    def asks_over_http(self) -> Self:
        """Refuse what is no address, and one that would show a password in metrics."""
        for address in self.addresses:
            parts = urlsplit(address)
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                raise ValueError("nats_monitors: an address is http://host:port")
            if parts.username or parts.password:
                raise ValueError("nats_monitors: an address must hold no password")
        return self
