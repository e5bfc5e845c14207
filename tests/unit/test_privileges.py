"""The least that each account needs: what must not be in the one table."""

import fnmatch
import json

import pytest

from app.settings import Settings
from app.topology import Topology
from deploy.local.process import ROOT
from deploy.local.secured import ADMIN, BROKER
from deploy.privileges.table import kafka_rules, nats_permissions, privileges
from deploy.privileges.text import TEXTS, kafka_words

TOPOLOGY = Topology(Settings())
ACCOUNTS = privileges(TOPOLOGY)


def may(account, operation, topic):
    """Return whether a Kafka rule of an account allows an operation on a topic."""
    return any(
        rule.resource == "topic"
        and operation in rule.operations
        and (topic.startswith(rule.name) if rule.prefixed else topic == rule.name)
        for rule in ACCOUNTS[account].kafka
    )


def who_may(operation, topic):
    return {account for account in ACCOUNTS if may(account, operation, topic.name)}


def publishers(subject):
    """Return the accounts that may publish on a NATS subject."""
    return {
        account
        for account, its in ACCOUNTS.items()
        if any(fnmatch.fnmatchcase(subject, s.replace(">", "*")) for s in its.publish)
    }


def test_only_the_bridge_writes_what_windows_are_made_of():
    assert {"bridge"} == who_may("Write", TOPOLOGY.readings)
    assert {"bridge"} == who_may("Write", TOPOLOGY.weather)


def test_only_workers_write_results_and_journals():
    others = (TOPOLOGY.readings, TOPOLOGY.weather, TOPOLOGY.dead_letters)
    asked_too = {TOPOLOGY.model_commands: {"operator"}}
    for topic in TOPOLOGY.topics:
        if topic not in others:
            expected = {"worker"} | asked_too.get(topic, set())
            assert expected == who_may("Write", topic), topic.name
        is_journal = topic.name.endswith("-journal")
        assert ({"worker"} if is_journal else set()) == who_may("Delete", topic)


def test_mover_writes_beside_this_namespace_and_never_into_it():
    beside = Topology(Settings(namespace="smartmeter_2"))
    for topic in (*beside.topics, *TOPOLOGY.topics):
        expected = topic in beside.topics
        assert expected == may("mover", "Write", topic.name), topic.name
        assert not may("mover", "Delete", topic.name)


def test_simulator_and_analyst_have_nothing_to_do_with_kafka():
    assert () == ACCOUNTS["simulator"].kafka
    assert () == ACCOUNTS["analyst"].kafka


def test_exporter_sees_how_far_topics_reach_and_reads_none():
    assert not any("Read" in rule.operations for rule in ACCOUNTS["exporter"].kafka)
    assert may("exporter", "Describe", TOPOLOGY.readings.name)


@pytest.mark.parametrize(
    ("subject", "accounts"),
    [
        ("smartmeter.voltage.raw.data.11.1.1", {"simulator", "operator"}),
        ("smartmeter.voltage.extract.max", {"bridge"}),
        ("$JS.API.STREAM.DELETE.SMARTMETER_RAW", set()),
        ("$JS.API.STREAM.MSG.GET.SMARTMETER_RAW", {"operator"}),
        ("$JS.API.STREAM.PURGE.SMARTMETER_RAW", {"bridge"}),
        ("$JS.API.CONSUMER.CREATE.SMARTMETER_RAW.lane-1", {"bridge"}),
        ("$KV.smartmeter_bridge.roster", {"bridge"}),
    ],
)
def test_subject_is_published_on_by_those_that_must(subject, accounts):
    assert accounts == publishers(subject)


def test_who_may_publish_nothing_is_denied_all():
    """To nats-server, an empty list of what is allowed restricts nothing."""
    for its in ACCOUNTS.values():
        permissions = nats_permissions(its)
        assert all(each.get("allow") != [] for each in permissions.values())
        assert its.publish or ">" in permissions["publish"]["deny"]


def test_nobody_hears_what_another_is_answered():
    for account, its in ACCOUNTS.items():
        inboxes = [s for s in its.subscribe if s.startswith("_INBOX")]
        assert all(s == f"_INBOX.{account}.>" for s in inboxes)
        assert ">" not in its.subscribe


def test_only_the_archive_and_the_operator_change_rows():
    changing = {
        account
        for account, its in ACCOUNTS.items()
        if any(grant.startswith("MODIFY") for grant in its.cassandra)
    }
    assert {"archive", "operator"} == changing


def test_privileges_keep_to_their_namespace():
    other = privileges(Topology(Settings(namespace="other")))
    ours = {rule.name for its in ACCOUNTS.values() for rule in its.kafka}
    assert ours.isdisjoint({r.name for its in other.values() for r in its.kafka})
    assert not any("smartmeter" in str(its) for its in other.values())


def test_no_account_is_called_like_those_of_the_launcher():
    assert ACCOUNTS.keys().isdisjoint({ADMIN, BROKER, "cassandra"})


def test_texts_hold_every_account_and_no_password():
    texts = {name: make(TOPOLOGY) for name, make in TEXTS.items()}
    users = json.loads(texts["nats"])["authorization"]["users"]
    publish = {user["user"]: user["permissions"]["publish"] for user in users}
    assert {"simulator", "bridge", "worker", "operator"} == publish.keys()
    assert {"deny": [">"]} == publish["worker"]  # it only listens
    assert all(user["password"].startswith("$") for user in users)
    for account, its in ACCOUNTS.items():
        assert (f"User:{account} " in texts["kafka"]) == bool(its.kafka)
        assert (f" TO {account};" in texts["cassandra"]) == bool(its.cassandra)
        assert f"## {account}\n" in texts["markdown"]


def test_kafkas_tool_is_told_each_rule_once():
    told = []
    for line in kafka_words(TOPOLOGY):
        assert line.startswith("--add ")
        words = line.removeprefix("--add ").split()
        pairs = list(zip(words[::2], words[1::2], strict=True))
        (account,) = [value for name, value in pairs if name == "--allow-principal"]
        (pattern,) = [v for name, v in pairs if name == "--resource-pattern-type"]
        operations = [value for name, value in pairs if name == "--operation"]
        told += [
            (account, operation, name.removeprefix("--"), value, pattern == "prefixed")
            for name, value in pairs
            if name in {"--topic", "--group", "--transactional-id"}
            for operation in operations
        ]
    expected = [
        (f"User:{account}", operation, rule.resource, rule.name, rule.prefixed)
        for account, rule in kafka_rules(TOPOLOGY)
        for operation in rule.operations
    ]
    assert sorted(expected) == sorted(told)


def test_manual_is_what_the_table_says():
    written = (ROOT / "deploy" / "privileges" / "README.md").read_text()
    expected = TEXTS["markdown"](TOPOLOGY) + "\n"
    assert expected == written, "python -m deploy.privileges markdown > its README.md"
