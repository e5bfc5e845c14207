"""The privileges in the words of nats-server, of Kafka's and Cassandra's tools."""

import json
from collections.abc import Callable, Iterable, Iterator

from app.topology import Topology
from deploy.privileges.table import Rule, kafka_rules, nats_permissions, privileges

__all__ = ["TEXTS", "kafka_words", "markdown"]

HEAD = """
# Who may do what

Written by `python -m deploy.privileges markdown` from `table.py`, for the namespace
`smartmeter`; with another one, the names change alike. What is not said is refused.
"""


def _nats_text(topology: Topology) -> str:
    users = [
        {"user": account, "password": f"${account.upper()}_PASSWORD"}
        | {"permissions": nats_permissions(its)}
        for account, its in privileges(topology).items()
        if its.publish or its.subscribe
    ]
    return json.dumps({"authorization": {"users": users}}, indent=2)


def _kafka_text(topology: Topology) -> str:
    command = (
        'kafka-acls --bootstrap-server "$BROKER" --command-config admin.properties'
    )
    return "\n".join(f"{command} {words}" for words in kafka_words(topology))


def kafka_words(topology: Topology) -> Iterator[str]:
    """Yield what `kafka-acls` is told: as much as one call of it can take."""
    names: dict[str, list[str]] = {}
    for account, rule in kafka_rules(topology):
        operations = " ".join(f"--operation {word}" for word in rule.operations)
        pattern = "prefixed" if rule.prefixed else "literal"
        words = (
            f"--add --allow-principal User:{account} {operations}"
            f" --resource-pattern-type {pattern}"
        )
        names.setdefault(words, []).append(f"--{rule.resource} {rule.name}")
    for words, found in names.items():
        yield f"{words} {' '.join(found)}"


def _cassandra_text(topology: Topology) -> str:
    return "\n".join(
        f"GRANT {grant} TO {account};"
        for account, its in privileges(topology).items()
        for grant in its.cassandra
    )


def markdown(topology: Topology) -> str:
    """Return the page of the operator's manual, `deploy/privileges/README.md`."""
    parts = [HEAD.strip()]
    for account, its in privileges(topology).items():
        parts.append(f"## {account}")
        lines = [f"- NATS, publishes on: {_listed(its.publish)}"] * bool(its.publish)
        lines += [f"- NATS, hears: {_listed(its.subscribe)}"] * bool(its.subscribe)
        lines += [f"- Kafka, {line}" for line in _kafka_lines(its.kafka)]
        lines += [f"- Cassandra, {grant}" for grant in its.cassandra]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _kafka_lines(rules: Iterable[Rule]) -> Iterator[str]:
    """Yield a line for each kind of resource and each set of operations."""
    names: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for rule in rules:
        name = f"{rule.name}{'*' if rule.prefixed else ''}"
        names.setdefault((rule.resource, rule.operations), []).append(name)
    for (resource, operations), found in names.items():
        yield f"{', '.join(operations)} of {resource}: {_listed(found)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


TEXTS: dict[str, Callable[[Topology], str]] = {
    "nats": _nats_text,
    "kafka": _kafka_text,
    "cassandra": _cassandra_text,
    "markdown": markdown,
}
