"""The privileges in the words of nats-server, of Kafka's and Cassandra's tools."""

import json
from collections.abc import Callable

from app.topology import Topology
from deploy.privileges.table import kafka_rules, nats_permissions, privileges

__all__ = ["TEXTS", "markdown"]


def _nats_text(topology: Topology) -> str:
    users = [
        {"user": account, "password": f"${account.upper()}_PASSWORD"}
        | {"permissions": nats_permissions(its)}
        for account, its in privileges(topology).items()
        if its.publish or its.subscribe
    ]
    return json.dumps({"authorization": {"users": users}}, indent=2)


def _kafka_text(topology: Topology) -> str:
    lines = []
    for account, rule in kafka_rules(topology):
        operations = " ".join(f"--operation {word}" for word in rule.operations)
        kind = " --resource-pattern-type prefixed" if rule.prefixed else ""
        lines.append(
            'kafka-acls --bootstrap-server "$BROKER" --command-config admin.properties'
            f" --add --allow-principal User:{account} {operations}"
            f" --{rule.resource} {rule.name}{kind}"
        )
    return "\n".join(lines)


def _cassandra_text(topology: Topology) -> str:
    return "\n".join(
        f"GRANT {grant} TO {account};"
        for account, its in privileges(topology).items()
        for grant in its.cassandra
    )


def markdown(topology: Topology) -> str:
    """Return the table of the operator's manual."""
    rows = ["| account | NATS | Kafka | Cassandra |", "| --- | --- | --- | --- |"]
    for account, its in privileges(topology).items():
        nats = [f"publish `{subject}`" for subject in its.publish]
        nats += [f"subscribe `{subject}`" for subject in its.subscribe]
        kafka = [
            f"{', '.join(rule.operations)} {rule.resource}"
            f" `{rule.name}{'*' if rule.prefixed else ''}`"
            for rule in its.kafka
        ]
        cells = ("<br>".join(cell) for cell in (nats, kafka, its.cassandra))
        rows.append(f"| {account} | {' | '.join(cell or '-' for cell in cells)} |")
    return "\n".join(rows)


TEXTS: dict[str, Callable[[Topology], str]] = {
    "nats": _nats_text,
    "kafka": _kafka_text,
    "cassandra": _cassandra_text,
    "markdown": markdown,
}
