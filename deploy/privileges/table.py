"""What each process may do, and no more: one table for NATS, Kafka and Cassandra.

The launcher's secured form gives its accounts these privileges, the operator's manual
shows them, and `python -m deploy.privileges` prints them as those servers take them.

    simulator   publishes as meters do
    bridge      NATS to Kafka, and results back
    worker      the live stage and its web view
    archive     the stage that writes to Cassandra
    exporter    figures of the servers
    operator    topics, schema, doctor, dead letters, replay: a person at work
    mover       replay --into: carries the log into another namespace
    analyst     query, export, shell: reads what is stored
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from app.metrics.cassandra import QUERIES
from app.topology import Topic, Topology

__all__ = [
    "Privileges",
    "Rule",
    "inbox_prefix",
    "kafka_rules",
    "nats_permissions",
    "privileges",
]

READ, WRITE, DESCRIBE = "Read", "Write", "Describe"


@dataclass(frozen=True, slots=True)
class Rule:
    """What Kafka allows on a resource, in the words of its own tools."""

    resource: str  # topic, group, transactional-id
    name: str
    operations: tuple[str, ...]
    prefixed: bool = False  # the name is the beginning of names


@dataclass(frozen=True, slots=True, kw_only=True)
class Privileges:
    """What one account may do; nothing where a list is empty."""

    publish: tuple[str, ...] = ()  # NATS subjects
    subscribe: tuple[str, ...] = ()
    kafka: tuple[Rule, ...] = ()
    cassandra: tuple[str, ...] = ()  # what stands between GRANT and TO


def privileges(topology: Topology) -> dict[str, Privileges]:
    """Return the privileges of every account."""
    made = {
        "simulator": _simulator,
        "bridge": _bridge,
        "worker": _worker,
        "archive": _archive,
        "exporter": _exporter,
        "operator": _operator,
        "mover": _mover,
        "analyst": _analyst,
    }
    return {account: make(topology) for account, make in made.items()}


def inbox_prefix(account: str) -> str:
    """Return the first tokens of the subjects on which NATS answers an account.

    Each has its own: on a common one, whoever may hear an answer of its own could hear
    all others too, readings that the bridge pulls among them.
    """
    return f"_INBOX.{account}"


# The accounts ----------------------------------------------------------------------


def _simulator(topology: Topology) -> Privileges:
    return Privileges(
        publish=(
            f"{topology.subject}.>",
            f"$JS.API.STREAM.INFO.{topology.stream}",
            *_bucket(topology.simulator_bucket),
        ),
        subscribe=(f"{inbox_prefix('simulator')}.>",),
    )


def _bridge(topology: Topology) -> Privileges:
    raw = topology.stream
    written = (topology.readings, topology.weather, topology.dead_letters)
    results = (topology.maxima, topology.weather, topology.predictions, topology.alerts)
    return Privileges(
        publish=(
            *topology.results_subjects,
            *_stream(topology.results_stream),
            *_stream(raw),
            f"$JS.API.STREAM.PURGE.{raw}",
            *_consumers(raw),
            f"$JS.API.CONSUMER.MSG.NEXT.{raw}.>",
            f"$JS.ACK.{raw}.>",
            *_bucket(topology.bridge_bucket),
        ),
        subscribe=(f"{inbox_prefix('bridge')}.>",),
        kafka=(
            *_on(written, WRITE, DESCRIBE),
            *_on((topology.readings, *results), READ, DESCRIBE),
            Rule("group", topology.results_group, (READ, DESCRIBE)),
            Rule(
                "transactional-id",
                f"{topology.settings.namespace}-lane-",
                (WRITE, DESCRIBE),
                prefixed=True,
            ),
        ),
    )


def _worker(topology: Topology) -> Privileges:
    others = (topology.readings, topology.weather)  # the bridge's alone
    written = [topic for topic in topology.topics if topic not in others]
    return Privileges(
        # The page of messages shows what goes out.
        subscribe=(f"{inbox_prefix('worker')}.>", *topology.results_subjects),
        kafka=(
            *_metadata(topology),
            *_on(topology.topics, READ),
            *_on(written, WRITE),
            *_on(_journals(topology), "Delete"),  # of records before a snapshot
            Rule("group", topology.live_group, (READ, DESCRIBE)),
            *_groups(topology),
        ),
        cassandra=(f"SELECT ON KEYSPACE {topology.keyspace}",),
    )


def _archive(topology: Topology) -> Privileges:
    others = (*_journals(topology), topology.dead_letters, topology.partial_maxima)
    read = [topic for topic in topology.topics if topic not in others]
    return Privileges(
        kafka=(
            *_metadata(topology),
            *_on(read, READ),
            *_on((topology.dead_letters,), WRITE),
            Rule("group", topology.archive_group, (READ, DESCRIBE)),
        ),
        cassandra=(
            f"SELECT ON KEYSPACE {topology.keyspace}",
            f"MODIFY ON KEYSPACE {topology.keyspace}",
        ),
    )


def _exporter(topology: Topology) -> Privileges:
    return Privileges(
        kafka=(*_metadata(topology), *_groups(topology)),
        # Each by its name: Cassandra grants no virtual keyspace as a whole.
        cassandra=tuple(f"SELECT ON TABLE system_views.{name}" for name in QUERIES),
    )


def _operator(topology: Topology) -> Privileges:
    namespace = topology.settings.namespace
    keyspace = topology.keyspace
    return Privileges(
        publish=(
            f"{topology.subject}.>",  # dead letters, again
            f"$JS.API.STREAM.INFO.{topology.stream}",
            f"$JS.API.CONSUMER.INFO.{topology.stream}.>",
            # Since when messages wait, and whether a letter was sent before.
            f"$JS.API.STREAM.MSG.GET.{topology.stream}",
            f"$JS.API.STREAM.INFO.{topology.results_stream}",
            *_bucket_reading(topology.bridge_bucket),
        ),
        subscribe=(
            f"{inbox_prefix('operator')}.>",
            f"{topology.subject}.>",
            *topology.results_subjects,
        ),
        kafka=(
            Rule(
                "topic",
                f"{namespace}.",
                (READ, DESCRIBE, "DescribeConfigs", "Create", "AlterConfigs"),
                prefixed=True,
            ),
            *_on((topology.dead_letters,), WRITE),  # marks of what was replayed
            *_on((topology.model_commands,), WRITE),  # back to a version
            Rule("group", f"{namespace}-", (READ, DESCRIBE, "Delete"), prefixed=True),
        ),
        cassandra=tuple(
            f"{permission} ON KEYSPACE {keyspace}"
            for permission in ("CREATE", "ALTER", "SELECT", "MODIFY")
        ),
    )


def _mover(topology: Topology) -> Privileges:
    """Let a person copy the log into namespaces whose name begins with this one's.

    Not the operator: nobody but the bridge writes what windows are made of.
    """
    namespace = topology.settings.namespace
    return Privileges(
        kafka=(
            *_on((topology.readings, topology.weather), READ, DESCRIBE),
            Rule(
                "topic",
                f"{namespace}_",
                ("Create", WRITE, DESCRIBE, "DescribeConfigs"),
                prefixed=True,
            ),
            # Whether somebody runs there already.
            Rule("group", f"{namespace}_", (DESCRIBE,), prefixed=True),
        ),
    )


def _analyst(topology: Topology) -> Privileges:
    return Privileges(cassandra=(f"SELECT ON KEYSPACE {topology.keyspace}",))


# What recurs -----------------------------------------------------------------------


def _on(topics: Sequence[Topic], *operations: str) -> Iterator[Rule]:
    return (Rule("topic", topic.name, operations) for topic in topics)


def _journals(topology: Topology) -> list[Topic]:
    """Return the topics in which workers keep their state."""
    return [topic for topic in topology.topics if topic.name.endswith("-journal")]


def _metadata(topology: Topology) -> Iterator[Rule]:
    """Let a process see that the topics are as they must be."""
    name = f"{topology.settings.namespace}."
    yield Rule("topic", name, (DESCRIBE, "DescribeConfigs"), prefixed=True)


def _groups(topology: Topology) -> Iterator[Rule]:
    """Let a process see how far every stage has come."""
    name = f"{topology.settings.namespace}-"
    yield Rule("group", name, (DESCRIBE,), prefixed=True)


def _stream(stream: str) -> Iterator[str]:
    for verb in ("CREATE", "UPDATE", "INFO"):
        yield f"$JS.API.STREAM.{verb}.{stream}"


def _consumers(stream: str) -> Iterator[str]:
    yield f"$JS.API.CONSUMER.CREATE.{stream}"
    for verb in ("CREATE", "DURABLE.CREATE", "DELETE", "INFO"):
        yield f"$JS.API.CONSUMER.{verb}.{stream}.>"


def _bucket(bucket: str) -> Iterator[str]:
    """Make, read and write a key-value bucket, which is a stream by another name."""
    yield f"$JS.API.STREAM.CREATE.KV_{bucket}"
    yield f"$KV.{bucket}.>"
    yield from _consumers(f"KV_{bucket}")
    yield from _bucket_reading(bucket)


def _bucket_reading(bucket: str) -> Iterator[str]:
    yield f"$JS.API.STREAM.INFO.KV_{bucket}"
    yield f"$JS.API.STREAM.MSG.GET.KV_{bucket}"
    yield f"$JS.API.DIRECT.GET.KV_{bucket}.>"


# As servers take them --------------------------------------------------------------


def nats_permissions(account: Privileges) -> dict[str, Any]:
    """Return the `permissions` of a user in nats-server's configuration."""
    return {
        "publish": _only(account.publish),
        "subscribe": _only(account.subscribe),
    }


def _only(subjects: Sequence[str]) -> dict[str, list[str]]:
    # nats-server takes an empty list of what is allowed for no limit at all.
    return {"allow": list(subjects)} if subjects else {"deny": [">"]}


def kafka_rules(topology: Topology) -> Iterator[tuple[str, Rule]]:
    """Yield each account with each of its rules."""
    for account, its in privileges(topology).items():
        for rule in its.kafka:
            yield account, rule
