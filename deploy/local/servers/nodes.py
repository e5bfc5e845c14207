"""One node of several: the same servers, told of each other.

Every node knows the ports of all nodes of its kind, so that any of them leads clients
to all. A majority of NATS and of Kafka must live; Cassandra keeps every row on each of
its nodes here, which are on 127.0.0.1, 127.0.0.2 and so on, as it wants one port alike.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app import settings
from deploy.local.errors import LauncherError
from deploy.local.ports import HOST, knock
from deploy.local.servers.cassandra import FLAGS as CASSANDRA_FLAGS
from deploy.local.servers.cassandra import Cassandra
from deploy.local.servers.kafka import FLAGS as KAFKA_FLAGS
from deploy.local.servers.kafka import Kafka, identity_of, produce_and_fetch
from deploy.local.servers.nats import PROBE, Nats, publish_one

__all__ = ["CassandraNode", "KafkaNode", "NatsNode"]

Ports = Mapping[str, int]
# Small ones, so that eight servers fit into a laptop.
KAFKA_HEAP = ("-Xms256m", "-Xmx512m")
CASSANDRA_HEAP = ("-Xms384m", "-Xmx640m")
TOKENS = 1 << 64  # from the least to the greatest, Murmur3


class NatsNode(Nats):
    """One of several nats-servers with one JetStream."""

    def __init__(self, number: int, nodes: Sequence[Ports]) -> None:
        """Make the node of a number, from 1, among nodes on these ports."""
        self.name = f"nats-{number}"
        self.usual_ports = nodes[number - 1]
        self._number = number
        self._nodes = nodes

    def configuration(self, store: Path, ports: Ports) -> dict[str, Any]:
        """Return what nats-server is told: its own, and its routes to all."""
        routes = [f"nats://{HOST}:{node['route']}" for node in self._nodes]
        return {
            **super().configuration(store, ports),
            "server_name": self.name,
            "cluster": {
                "name": "local",
                "listen": f"{HOST}:{ports['route']}",
                "routes": routes,
            },
        }

    def addresses(self, ports: Ports) -> dict[str, str]:
        """Return the addresses of this node."""
        found = super().addresses(ports)
        return {
            self.name: found["nats"],
            f"{self.name}-monitor": found["nats_monitor"],
        }

    def environ(self, ports: Ports) -> dict[str, str]:
        """Return the settings that lead to all nodes."""
        del ports
        each = [Nats.addresses(self, node) for node in self._nodes]
        return {
            settings.variable("nats", "servers"): _listed(each, "nats"),
            settings.variable("nats", "replicas"): str(len(each)),
            settings.variable("exporter", "nats_monitors"): _listed(
                each, "nats_monitor"
            ),
        }

    def probe(self, ports: Ports) -> None:
        """Have a message stored by a majority of the nodes."""
        knock(ports["client"])
        stream = f"{PROBE}-{self._number}"
        address = Nats.addresses(self, ports)["nats"]
        asyncio.run(publish_one(address, stream, len(self._nodes)))


class KafkaNode(Kafka):
    """One of several brokers, each a controller too."""

    flags = (*KAFKA_FLAGS, *KAFKA_HEAP)  # the last one counts

    def __init__(self, number: int, nodes: Sequence[Ports], cluster: uuid.UUID) -> None:
        """Make the node of a number, from 1, among nodes on these ports."""
        self.name = f"kafka-{number}"
        self.usual_ports = nodes[number - 1]
        self._number = number
        self._nodes = nodes
        self._cluster = cluster

    def properties(self, ports: Ports) -> dict[str, str]:
        """Return what the broker is told: all keep all, a majority acknowledges."""
        count = len(self._nodes)
        voters = ",".join(
            f"{number}@{HOST}:{node['controller']}"
            for number, node in enumerate(self._nodes, start=1)
        )
        majority = str(count // 2 + 1)
        return {
            **super().properties(ports),
            "node.id": str(self._number),
            "controller.quorum.voters": voters,
            "default.replication.factor": str(count),
            "offsets.topic.replication.factor": str(count),
            "transaction.state.log.replication.factor": str(count),
            "transaction.state.log.min.isr": majority,
            "share.coordinator.state.topic.replication.factor": str(count),
            "share.coordinator.state.topic.min.isr": majority,
        }

    def identity(self) -> str:
        """Return the name that all nodes share."""
        return identity_of(self._cluster)

    def addresses(self, ports: Ports) -> dict[str, str]:
        """Return the address of this node."""
        return {self.name: super().addresses(ports)["kafka"]}

    def environ(self, ports: Ports) -> dict[str, str]:
        """Return the settings that lead to all nodes."""
        del ports
        each = [Kafka.addresses(self, node) for node in self._nodes]
        return {
            settings.variable("kafka", "servers"): _listed(each, "kafka"),
            settings.variable("kafka", "replication_factor"): str(len(each)),
        }

    def probe(self, ports: Ports) -> None:
        """Have a record stored on all nodes, and read it back."""
        knock(ports["client"])
        address = Kafka.addresses(self, ports)["kafka"]
        asyncio.run(produce_and_fetch(address, len(self._nodes)))


class CassandraNode(Cassandra):
    """One of several nodes, each of which keeps every row."""

    flags: Sequence[str] = (
        *CASSANDRA_FLAGS,
        *CASSANDRA_HEAP,
        "-Dcassandra.ring_delay_ms=2000",
    )

    def __init__(self, number: int, nodes: Sequence[Ports]) -> None:
        """Make the node of a number, from 1, among nodes on these ports."""
        self.name = f"cassandra-{number}"
        self.host = _host(number)
        self.usual_ports = nodes[number - 1]
        self._number = number
        self._nodes = nodes

    def configuration(self, data: Path, ports: Ports) -> dict[str, Any]:
        """Return what the node is told; all begin at once, each with its own token."""
        found = super().configuration(data, ports)
        hosts = [
            f"{_host(number)}:{node['storage']}"
            for number, node in enumerate(self._nodes, start=1)
        ]
        found["seed_provider"][0]["parameters"] = [{"seeds": ",".join(hosts)}]
        token = (self._number - 1) * (TOKENS // len(hosts)) - TOKENS // 2
        return {**found, "initial_token": token, "auto_bootstrap": False}

    def addresses(self, ports: Ports) -> dict[str, str]:
        """Return the address of this node."""
        return {self.name: f"{self.host}:{ports['client']}"}

    def environ(self, ports: Ports) -> dict[str, str]:
        """Return the settings that lead to all nodes."""
        hosts = [_host(number) for number in range(1, len(self._nodes) + 1)]
        return {
            settings.variable("archive", "contact_points"): ",".join(hosts),
            settings.variable("archive", "port"): str(ports["client"]),
            settings.variable("archive", "replication"): (
                f"{{'class': 'SimpleStrategy', 'replication_factor': {len(hosts)}}}"
            ),
        }

    def probe(self, ports: Ports) -> None:
        """Ask it whom it knows, until those are all."""
        known = len(self.ask(ports["client"], "SELECT peer FROM system.peers")) + 1
        if known < len(self._nodes):
            raise LauncherError(f"knows {known} of {len(self._nodes)} nodes")


def _host(number: int) -> str:
    return f"127.0.0.{number}"


def _listed(each: Sequence[Mapping[str, str]], name: str) -> str:
    return ",".join(addresses[name] for addresses in each)
