"""One node of several in its secured form: a node and a secured server in one.

The certificate of the stack names every address of it; nodes show it to each other.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app import settings
from deploy.local.errors import LauncherError
from deploy.local.secured import Secured
from deploy.local.servers.nats import PROBE
from deploy.local.servers.nodes import CassandraNode, KafkaNode, NatsNode
from deploy.local.servers.secured import SETUP, SecuredCassandra, SecuredNats
from deploy.local.servers.secured_kafka import SecuredKafka

__all__ = ["SecuredCassandraNode", "SecuredKafkaNode", "SecuredNatsNode"]

Ports = Mapping[str, int]


class SecuredNatsNode(SecuredNats, NatsNode):
    """One of several nats-servers, whose routes are encrypted too."""

    def __init__(self, number: int, nodes: Sequence[Ports], secured: Secured) -> None:
        NatsNode.__init__(self, number, nodes)
        SecuredNats.__init__(self, secured)

    def configuration(self, store: Path, ports: Ports) -> dict[str, Any]:
        """Return what nats-server is told; another node shows its certificate."""
        found = super().configuration(store, ports)
        authority = str(self._secured.path("ca.crt"))
        found["cluster"]["tls"] = found["tls"] | {"ca_file": authority, "verify": True}
        return found

    @property
    def proof(self) -> tuple[str, int]:
        """A stream that all nodes must store."""
        return f"{PROBE}-{self._number}", len(self._nodes)


class SecuredKafkaNode(SecuredKafka, KafkaNode):
    """One of several brokers; to each other's controllers they show certificates."""

    flags = KafkaNode.flags

    def __init__(
        self, number: int, nodes: Sequence[Ports], cluster: Any, secured: Secured
    ) -> None:
        KafkaNode.__init__(self, number, nodes, cluster)
        SecuredKafka.__init__(self, secured)

    @property
    def replicas(self) -> int:
        """On how many nodes a record must be."""
        return len(self._nodes)


class SecuredCassandraNode(SecuredCassandra, CassandraNode):
    """One of several nodes, each of which keeps every row and every role."""

    flags: Sequence[str] = (*CassandraNode.flags, SETUP)

    def __init__(self, number: int, nodes: Sequence[Ports], secured: Secured) -> None:
        CassandraNode.__init__(self, number, nodes)
        SecuredCassandra.__init__(self, secured)

    @property
    def replication(self) -> str:
        """How the keyspace is kept, as CQL."""
        found = self.environ(self._nodes[self._number - 1])
        return found[settings.variable("archive", "replication")]

    def probe(self, ports: Ports) -> None:
        """Wait until all nodes know each other; the first one then makes the roles."""
        port = ports["client"]
        if self._number > 1:
            CassandraNode.probe(self, ports)
            return
        # A role that is written before the other node is there would be lost to it.
        options = self.whoever_may(port)
        peers = self.ask(port, "SELECT peer FROM system.peers", **options)
        if len(peers) + 1 < len(self._nodes):
            raise LauncherError(f"knows {len(peers) + 1} of {len(self._nodes)} nodes")
        everywhere = f"ALTER KEYSPACE system_auth WITH replication = {self.replication}"
        self.ask(port, everywhere, **options)
        super().probe(ports)
