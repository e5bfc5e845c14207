"""Several nodes of each server on one machine: what a cluster survives can be tried.

The plan of a folder, which node has which ports, is `cluster.json`: nodes must find
each other again on the next start, and whoever opens the folder sees that it is one.
"""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.settings import Settings
from deploy.local import ports
from deploy.local.errors import LauncherError
from deploy.local.secured import Secured
from deploy.local.secured_stack import SecuredStack
from deploy.local.servers.base import Report, Server
from deploy.local.servers.nodes import CassandraNode, KafkaNode, NatsNode
from deploy.local.servers.secured_nodes import (
    SecuredCassandraNode,
    SecuredKafkaNode,
    SecuredNatsNode,
)
from deploy.local.stack import Stack

__all__ = ["Nodes", "opened"]

PLAN = "cluster.json"
USUAL = {
    "nats": {"client": 4222, "monitor": 8222, "route": 6222},
    "kafka": {"client": 9092, "controller": 9192},
}
# All nodes of Cassandra have the same ports, on addresses of their own.
USUAL_CASSANDRA = {"client": 9042, "storage": 7000}


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """How many of each."""

    nats: int = 3
    kafka: int = 3
    cassandra: int = 2


def opened(
    folder: Path,
    nodes: Nodes | None = None,
    *,
    usual_ports: bool = True,
    report: Report = lambda _: None,
    secure: bool = False,
) -> Stack:
    """Return the stack of a folder: a cluster if nodes are given, or if it is one.

    It is secured where asked, or where it was before.

    Raises:
        LauncherError: Single servers have their data in the folder, or a cluster of
            another size has.
    """
    plan = folder.absolute() / PLAN
    if not plan.exists():
        if nodes is None:
            return Stack(folder, usual_ports=usual_ports, report=report)
        if any((folder / name).exists() for name in ("nats", "kafka", "cassandra")):
            raise LauncherError(
                f"{folder} holds the data of single servers: give another --folder"
            )
        plan.parent.mkdir(parents=True, exist_ok=True)
        plan.write_text(json.dumps(_plan(nodes, usual=usual_ports)), encoding="utf-8")
    planned = json.loads(plan.read_text(encoding="utf-8"))
    if nodes is not None and nodes != Nodes(**{k: len(planned[k]) for k in COUNTED}):
        raise LauncherError(
            f"{folder} holds a cluster of another size: give another --folder"
        )
    if secure or Secured(folder.absolute(), Settings()).is_prepared:
        return SecuredStack(
            folder, report=report, make=lambda secured: _servers(planned, secured)
        )
    return Stack(folder, report=report, servers=_servers(planned))


COUNTED = ("nats", "kafka", "cassandra")


def _plan(nodes: Nodes, *, usual: bool) -> dict[str, Any]:
    others = ports.free()
    alike = {
        role: port if usual and ports.is_free(port) else next(others)
        for role, port in USUAL_CASSANDRA.items()
    }
    return {
        "identity": uuid.uuid4().hex,
        "nats": list(_each("nats", nodes.nats, others, usual=usual)),
        "kafka": list(_each("kafka", nodes.kafka, others, usual=usual)),
        "cassandra": [alike] * nodes.cassandra,
    }


def _each(
    name: str, count: int, others: Iterator[int], *, usual: bool
) -> Iterator[dict[str, int]]:
    for number in range(count):
        yield {
            role: port + number
            if usual and ports.is_free(port + number)
            else next(others)
            for role, port in USUAL[name].items()
        }


def _servers(
    planned: dict[str, Any], secured: Secured | None = None
) -> dict[str, Server]:
    identity = uuid.UUID(planned["identity"])

    def numbers(name: str) -> range:
        return range(1, len(planned[name]) + 1)

    nats, kafka, cassandra = (planned[name] for name in COUNTED)
    servers: list[Server]
    if secured is None:
        servers = [
            *(NatsNode(n, nats) for n in numbers("nats")),
            *(KafkaNode(n, kafka, identity) for n in numbers("kafka")),
            *(CassandraNode(n, cassandra) for n in numbers("cassandra")),
        ]
    else:
        servers = [
            *(SecuredNatsNode(n, nats, secured) for n in numbers("nats")),
            *(SecuredKafkaNode(n, kafka, identity, secured) for n in numbers("kafka")),
            *(
                SecuredCassandraNode(n, cassandra, secured)
                for n in numbers("cassandra")
            ),
        ]
    return {server.name: server for server in servers}
