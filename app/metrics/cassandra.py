"""What Cassandra's nodes know of themselves, from their virtual tables, as families.

A virtual table holds the figures of the node that is asked and of no other, hence the
label `node`. Its latencies are those of the last minutes, by percentile.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from app.metrics.families import Family, Sample, counter, gauge

__all__ = ["FAMILIES", "QUERIES", "NodeFigures", "node_samples", "nodes_samples"]

MEBIBYTE = 1 << 20
PERCENTILES = {"50": "p50th_ms", "99": "p99th_ms", "100": "max_ms"}
# The pools in which work of ours can pile up.
POOLS = (
    "CompactionExecutor",
    "HintsDispatcher",
    "MemtableFlushWriter",
    "MutationStage",
    "Native-Transport-Requests",
    "ReadStage",
)
LATENCIES = {
    "coordinator_write": "writes that the node coordinated",
    "coordinator_read": "reads that the node coordinated",
    "coordinator_scan": "range reads that the node coordinated",
    "local_write": "writes to the node's own copy",
    "local_read": "reads of the node's own copy",
}
# By virtual table; %s is the keyspace of ours.
QUERIES = {
    **{
        f"{name}_latency": f"SELECT * FROM system_views.{name}_latency"  # noqa: S608 - ours
        " WHERE keyspace_name = %s"
        for name in LATENCIES
    },
    "disk_usage": "SELECT * FROM system_views.disk_usage WHERE keyspace_name = %s",
    "caches": "SELECT * FROM system_views.caches",
    "thread_pools": "SELECT * FROM system_views.thread_pools",
    "pending_hints": "SELECT files FROM system_views.pending_hints",
    "clients": "SELECT COUNT(*) AS count FROM system_views.clients",
    "sstable_tasks": "SELECT COUNT(*) AS count FROM system_views.sstable_tasks",
}

Rows = Sequence[Mapping[str, Any]]


class NodeFigures(NamedTuple):
    """The rows of one node's virtual tables, by table."""

    node: str
    rows: Mapping[str, Rows]


NODES = gauge("smartmeter_cassandra_nodes", "Nodes of the cluster, by state.", "state")
CLIENTS = gauge("smartmeter_cassandra_client_connections", "Connections now.", "node")
DISK = gauge(
    "smartmeter_cassandra_disk_bytes",
    "Disk used by a table of ours, in whole mebibytes.",
    "node",
    "table",
)
HINTS = gauge(
    "smartmeter_cassandra_pending_hint_files",
    "Files of writes that wait for nodes which were away.",
    "node",
)
TASKS = gauge(
    "smartmeter_cassandra_sstable_tasks",
    "Compactions and clean-ups of files that run now.",
    "node",
)
CACHE_CAPACITY = gauge(
    "smartmeter_cassandra_cache_capacity_bytes",
    "Largest size of a cache.",
    "node",
    "cache",
)
CACHE_SIZE = gauge(
    "smartmeter_cassandra_cache_size_bytes", "Size of a cache now.", "node", "cache"
)
CACHE_REQUESTS = counter(
    "smartmeter_cassandra_cache_requests_total",
    "Requests to a cache.",
    "node",
    "cache",
)
CACHE_HITS = counter(
    "smartmeter_cassandra_cache_hits_total",
    "Requests to a cache that it could answer.",
    "node",
    "cache",
)
ACTIVE = gauge(
    "smartmeter_cassandra_active_tasks", "Tasks that a pool works on.", "node", "pool"
)
PENDING = gauge(
    "smartmeter_cassandra_pending_tasks",
    "Tasks that wait for a thread of a pool.",
    "node",
    "pool",
)
BLOCKED = counter(
    "smartmeter_cassandra_blocked_tasks_total",
    "Tasks that a full pool did not take at once.",
    "node",
    "pool",
)
COMPLETED = counter(
    "smartmeter_cassandra_completed_tasks_total",
    "Tasks that a pool has done.",
    "node",
    "pool",
)


def _counts(name: str) -> Family:
    text = f"Number of {LATENCIES[name]}, by table of ours."
    return counter(f"smartmeter_cassandra_{name}s_total", text, "node", "table")


def _seconds(name: str) -> Family:
    text = f"Latency of {LATENCIES[name]}, by table of ours and percentile."
    labels = "node", "table", "percentile"
    return gauge(f"smartmeter_cassandra_{name}_seconds", text, *labels)


FAMILIES = (
    NODES,
    CLIENTS,
    DISK,
    HINTS,
    TASKS,
    CACHE_CAPACITY,
    CACHE_SIZE,
    CACHE_REQUESTS,
    CACHE_HITS,
    ACTIVE,
    PENDING,
    BLOCKED,
    COMPLETED,
    *map(_counts, LATENCIES),
    *map(_seconds, LATENCIES),
)


def nodes_samples(up: int, down: int) -> Iterator[Sample]:
    """Yield how many nodes are up and down, as the driver knows them."""
    yield Sample(NODES.name, ("up",), up)
    yield Sample(NODES.name, ("down",), down)


def node_samples(figures: NodeFigures) -> Iterator[Sample]:
    """Yield the samples of one node.

    Raises:
        KeyError: A virtual table lacks a column.
    """
    node, rows = figures
    yield Sample(CLIENTS.name, (node,), rows["clients"][0]["count"])
    yield Sample(TASKS.name, (node,), rows["sstable_tasks"][0]["count"])
    hints = sum(row["files"] for row in rows["pending_hints"])
    yield Sample(HINTS.name, (node,), hints)
    for row in rows["disk_usage"]:
        size = row["mebibytes"] * MEBIBYTE
        yield Sample(DISK.name, (node, row["table_name"]), size)
    for row in rows["caches"]:
        for family, column in (
            (CACHE_CAPACITY, "capacity_bytes"),
            (CACHE_SIZE, "size_bytes"),
            (CACHE_REQUESTS, "request_count"),
            (CACHE_HITS, "hit_count"),
        ):
            yield Sample(family.name, (node, row["name"]), row[column])
    yield from _pools(node, rows["thread_pools"])
    for name in LATENCIES:
        yield from _latencies(name, node, rows[f"{name}_latency"])


def _pools(node: str, rows: Rows) -> Iterator[Sample]:
    for row in rows:
        if row["name"] in POOLS:
            for family, column in (
                (ACTIVE, "active_tasks"),
                (PENDING, "pending_tasks"),
                (BLOCKED, "blocked_tasks_all_time"),
                (COMPLETED, "completed_tasks"),
            ):
                yield Sample(family.name, (node, row["name"]), row[column])


def _latencies(name: str, node: str, rows: Rows) -> Iterator[Sample]:
    counts, seconds = _counts(name).name, _seconds(name).name
    for row in rows:
        labels = node, row["table_name"]
        yield Sample(counts, labels, row["count"])
        for percentile, column in PERCENTILES.items():
            yield Sample(seconds, (*labels, percentile), row[column] / 1_000)
