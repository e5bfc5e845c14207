"""Several nodes of each server, all of it encrypted and with accounts: it adds up."""

from deploy.local import cluster
from tests.secure.test_secured_road import summary_of_a_run

RUN_SECONDS_MAX = 480


def test_secured_cluster_adds_up_and_no_secret_shows(tmp_path):
    folder = tmp_path / "run-cluster"
    # On free ports, whatever else runs here.
    nodes = cluster.Nodes()
    cluster.opened(folder, nodes, usual_ports=False, secure=True).close()
    options = ("--folder", str(tmp_path / "run"), "--cluster")
    summary = summary_of_a_run(folder, *options, seconds_max=RUN_SECONDS_MAX)
    for name in ("nats-1", "nats-3", "kafka-2", "cassandra-2"):
        assert (folder / name).exists()
    print(f"\n{summary}")
