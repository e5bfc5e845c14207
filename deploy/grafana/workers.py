"""The rows of *Pipeline and workers* that are about processes.

Successors of the panels of containers on the seed's boards.
"""

from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import table

from deploy.grafana.panels import Graph, Query, graph, summary
from deploy.grafana.promql import increase, rate, select

__all__ = ["PROCESS", "panels"]

PROCESS = "{{job}} {{instance}}"
CPU = rate("process_cpu_seconds_total")
MEMORY = select("process_resident_memory_bytes")
SERVERS_CPU = rate("smartmeter_servers_cpu_seconds_total")
SERVERS_MEMORY = select("smartmeter_servers_resident_memory_bytes")


def panels() -> Iterator[builders.Row | Graph | table.Panel]:
    """Yield the rows."""
    yield builders.Row("Processes")
    yield from (_running(), _lanes(), _cpu(), _cpu_table(), _memory(), _memory_table())
    yield builders.Row("Changes of hands")
    yield from (_rebalances(), _recoveries(), _events(), _journal())


def _running() -> Graph:
    return graph(
        "Running processes",
        "Those that answer Prometheus.",
        "short",
        Query(f"count by (job) ({select('up')} == 1)", "{{job}}"),
        draw="steps",
        stack=True,
    )


def _lanes() -> Graph:
    assigned = select("smartmeter_faust_assigned_partitions", 'topic=~".+[.]readings"')
    carried = select("smartmeter_bridge_lanes")
    return graph(
        "Lanes of each process",
        "Those that a bridge carries, and partitions of readings that the group has"
        " given to each worker.",
        "short",
        Query(f"sum by (job, instance) ({assigned})", PROCESS),
        Query(f"sum by (job, instance) ({carried})", PROCESS),
        draw="steps",
    )


def _cpu() -> Graph:
    return graph(
        "CPU by process",
        "100 % is one core; servers where the exporter knows their processes.",
        "percentunit",
        Query(f"sum by (job, instance) ({CPU})", PROCESS),
        Query(f"sum by (server) ({SERVERS_CPU})", "{{server}}"),
    )


def _cpu_table() -> table.Panel:
    return summary(
        "CPU by process: current, least, most",
        "In the time shown. 100 % is one core; servers where the exporter knows them.",
        "percentunit",
        Query(f"sum by (job, instance) ({CPU})", PROCESS),
        Query(f"sum by (server) ({SERVERS_CPU})", "{{server}}"),
    )


def _memory() -> Graph:
    return graph(
        "Memory by process",
        "Resident.",
        "bytes",
        Query(f"sum by (job, instance) ({MEMORY})", PROCESS),
        Query(f"sum by (server) ({SERVERS_MEMORY})", "{{server}}"),
    )


def _memory_table() -> table.Panel:
    return summary(
        "Memory by process: current, least, most",
        "Resident, in the time shown.",
        "bytes",
        Query(f"sum by (job, instance) ({MEMORY})", PROCESS),
        Query(f"sum by (server) ({SERVERS_MEMORY})", "{{server}}"),
    )


def _rebalances() -> Graph:
    begun = increase("smartmeter_faust_rebalances_total")
    return graph(
        "Rebalances",
        "Times that partitions changed hands, as each process saw it.",
        "short",
        Query(f"sum by (job, instance) ({begun})", PROCESS),
        draw="bars",
    )


def _recoveries() -> Graph:
    recovering = select("smartmeter_faust_recovery_active")
    changing = select("smartmeter_faust_rebalance_active")
    return graph(
        "Standing still",
        "Processes that read their state back, or whose partitions change hands.",
        "short",
        Query(f"sum by (job) ({recovering})", "{{job}}: recovering"),
        Query(f"sum by (job) ({changing})", "{{job}}: rebalancing"),
        draw="steps",
    )


def _events() -> Graph:
    events = rate("smartmeter_faust_events_total")
    return graph(
        "Events",
        "Kafka records that agents were given, by process.",
        "ops",
        Query(f"sum by (job, instance) ({events})", PROCESS),
    )


def _journal() -> Graph:
    held = select("smartmeter_kafka_held_records", 'topic=~".+-journal"')
    return graph(
        "Journals",
        "Records that a recovery would read back; a snapshot cuts them off.",
        "short",
        Query(f"sum by (topic) ({held})", "{{topic}}"),
    )
