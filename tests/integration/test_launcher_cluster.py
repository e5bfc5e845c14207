"""A cluster's folder keeps its plan: who is who, on which ports. Nothing is started."""

import json

import pytest
from click.testing import CliRunner

from deploy.local.__main__ import cli
from deploy.local.cluster import Nodes, opened
from deploy.local.errors import LauncherError
from deploy.local.secured_stack import SecuredStack
from deploy.local.stack import SERVERS


def configured(stack, name, folder):
    server = stack.servers[name]
    return server.configuration(folder, server.usual_ports)


def test_next_start_finds_the_same_nodes_on_the_same_ports(tmp_path):
    first = opened(tmp_path / "run", Nodes(), usual_ports=False)
    again = opened(tmp_path / "run")
    names = [
        f"{server}-{number}" for server in ("nats", "kafka") for number in (1, 2, 3)
    ]
    assert {*names, "cassandra-1", "cassandra-2"} == first.servers.keys()
    for name, server in first.servers.items():
        assert server.usual_ports == again.servers[name].usual_ports
    assert first.servers["kafka-1"].identity() == again.servers["kafka-3"].identity()


def test_no_two_nodes_share_a_port_where_they_share_an_address(tmp_path):
    stack = opened(tmp_path, Nodes(), usual_ports=False)
    taken = [
        port
        for name, server in stack.servers.items()
        if not name.startswith("cassandra-2")
        for port in server.usual_ports.values()
    ]
    assert sorted(set(taken)) == sorted(taken)


def test_every_node_knows_all_of_its_kind(tmp_path):
    stack = opened(tmp_path / "run", Nodes(kafka=3), usual_ports=False)
    kafka = stack.servers["kafka-2"]
    properties = kafka.properties(kafka.usual_ports)
    assert "2" == properties["node.id"]
    assert 3 == len(properties["controller.quorum.voters"].split(","))
    assert 3 == len(configured(stack, "nats-1", tmp_path)["cluster"]["routes"])
    seeds = configured(stack, "cassandra-1", tmp_path)["seed_provider"]
    assert 2 == len(seeds[0]["parameters"][0]["seeds"].split(","))
    environ = stack.servers["nats-3"].environ({}) | kafka.environ({})
    assert 3 == len(environ["SMARTMETER_NATS__SERVERS"].split(","))
    assert "3" == environ["SMARTMETER_KAFKA__REPLICATION_FACTOR"]


def test_tokens_of_cassandra_are_spread(tmp_path):
    stack = opened(tmp_path, Nodes(cassandra=4), usual_ports=False)
    tokens = [
        configured(stack, f"cassandra-{number}", tmp_path)["initial_token"]
        for number in (1, 2, 3, 4)
    ]
    assert [-(2**63), -(2**62), 0, 2**62] == tokens


def test_folder_of_other_servers_is_refused(tmp_path):
    opened(tmp_path / "three", Nodes(), usual_ports=False)
    with pytest.raises(LauncherError, match="another size"):
        opened(tmp_path / "three", Nodes(nats=5))
    (tmp_path / "single" / "kafka").mkdir(parents=True)
    with pytest.raises(LauncherError, match="single servers"):
        opened(tmp_path / "single", Nodes())
    assert opened(tmp_path / "single").servers is SERVERS


def test_cluster_has_a_folder_beside_that_of_single_servers(tmp_path):
    words = ["status", "--cluster", "--folder", str(tmp_path / "run")]
    result = CliRunner().invoke(cli, words)
    assert 0 == result.exit_code, result.output
    plan = json.loads((tmp_path / "run-cluster" / "cluster.json").read_text())
    assert 3 == len(plan["nats"])


def test_secured_cluster_stays_one_and_its_nodes_encrypt(tmp_path):
    folder = tmp_path / "secured"
    stack = opened(folder, Nodes(), usual_ports=False, secure=True)
    stack.secured.prepare()
    again = opened(folder, Nodes())
    assert isinstance(again, SecuredStack)
    ports = {name: server.usual_ports for name, server in again.servers.items()}
    for name, server in again.servers.items():
        if name.startswith("nats"):
            told = server.configuration(folder, ports[name])
            assert told["cluster"]["tls"]["verify"]
            assert "https" in told
            found = server.environ(ports[name]).values()
            assert not any("nats://" in v or "http://" in v for v in found)
        elif name.startswith("kafka"):
            told = server.properties(ports[name])
            assert "PLAINTEXT" not in str(told)
            assert "3" == told["default.replication.factor"]
        else:
            told = server.configuration(folder, ports[name])
            assert "all" == told["server_encryption_options"]["internode_encryption"]
            assert "'replication_factor': 2" in server.replication
