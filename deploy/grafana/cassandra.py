"""*Cassandra*: what each node says of itself, from its virtual tables."""

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as models

from deploy.grafana.board import board
from deploy.grafana.panels import Graph, Query, graph, share
from deploy.grafana.promql import rate, select

__all__ = ["dashboard"]


def dashboard() -> models.Dashboard:
    """Return the dashboard."""
    return board(
        "smartmeter-cassandra",
        "Cassandra",
        "What each node says of itself, and what the archive stage has of it.",
        "smartmeter_cassandra_nodes",
        [
            builders.Row("Requests"),
            _requests("Writes", "coordinator_write"),
            _latency("Write latency", "coordinator_write"),
            _requests("Reads", "coordinator_read"),
            _latency("Read latency", "coordinator_read"),
            _requests("Range reads", "coordinator_scan"),
            _latency("Range read latency", "coordinator_scan"),
            builders.Row("Storage"),
            _disk(),
            _local(),
            builders.Row("Nodes"),
            _nodes(),
            _clients(),
            _tasks("Tasks that wait", "pending_tasks", "For a thread of their pool."),
            _completed(),
            _compactions(),
            _hints(),
            builders.Row("Caches"),
            _cache("Cache capacity", "cache_capacity_bytes", "The most it may hold."),
            _cache("Cache size", "cache_size_bytes", "What it holds."),
            _hits(),
        ],
    )


def _requests(title: str, name: str) -> Graph:
    total = rate(f"smartmeter_cassandra_{name}s_total")
    return graph(
        title,
        "That nodes coordinated, by table. A batch of many rows is one write.",
        "ops",
        Query(f"sum by (table) ({total})", "{{table}}"),
    )


def _latency(title: str, name: str) -> Graph:
    seconds = select(f"smartmeter_cassandra_{name}_seconds", 'percentile="99"')
    return graph(
        title,
        "99 of 100 are as fast or faster, of those in the last minutes; by table.",
        "s",
        Query(f"max by (table) ({seconds})", "{{table}}"),
    )


def _disk() -> Graph:
    used = select("smartmeter_cassandra_disk_bytes")
    return graph(
        "Disk by table",
        "Live files of all nodes, in whole mebibytes; what is in memory is not in it.",
        "bytes",
        Query(f"sum by (table) ({used})", "{{table}}"),
        stack=True,
    )


def _local() -> Graph:
    seconds = select("smartmeter_cassandra_local_write_seconds", 'percentile="99"')
    return graph(
        "Write to a node's own copy",
        "99 of 100 are as fast or faster: without the network and the other replicas.",
        "s",
        Query(f"max by (node) ({seconds})", "{{node}}"),
    )


def _nodes() -> Graph:
    nodes = select("smartmeter_cassandra_nodes")
    return graph(
        "Nodes",
        "As the driver sees them.",
        "short",
        Query(f"max by (state) ({nodes})", "{{state}}"),
        draw="steps",
    )


def _clients() -> Graph:
    clients = select("smartmeter_cassandra_client_connections")
    return graph(
        "Client connections",
        "A driver has several.",
        "short",
        Query(f"max by (node) ({clients})", "{{node}}"),
        draw="steps",
    )


def _tasks(title: str, name: str, description: str) -> Graph:
    tasks = select(f"smartmeter_cassandra_{name}")
    return graph(
        title,
        description,
        "short",
        Query(f"sum by (pool) ({tasks})", "{{pool}}"),
    )


def _completed() -> Graph:
    done = rate("smartmeter_cassandra_completed_tasks_total")
    return graph(
        "Tasks done",
        "A second, by pool.",
        "ops",
        Query(f"sum by (pool) ({done})", "{{pool}}"),
    )


def _compactions() -> Graph:
    running = select("smartmeter_cassandra_sstable_tasks")
    return graph(
        "Compactions",
        "Work on files that runs now.",
        "short",
        Query(f"max by (node) ({running})", "{{node}}"),
        draw="steps",
    )


def _hints() -> Graph:
    files = select("smartmeter_cassandra_pending_hint_files")
    return graph(
        "Hints that wait",
        "Files of writes for nodes that were away.",
        "short",
        Query(f"max by (node) ({files})", "{{node}}"),
        draw="steps",
    )


def _cache(title: str, name: str, description: str) -> Graph:
    size = select(f"smartmeter_cassandra_{name}")
    return graph(
        title,
        description,
        "bytes",
        Query(f"sum by (cache) ({size})", "{{cache}}"),
    )


def _hits() -> Graph:
    hits = select("smartmeter_cassandra_cache_hits_total")
    asked = select("smartmeter_cassandra_cache_requests_total")
    return share(
        "Cache hits",
        "Share of requests that a cache could answer, since the nodes began.",
        Query(f"sum by (cache) ({hits}) / (sum by (cache) ({asked}) > 0)", "{{cache}}"),
        width=24,
    )
