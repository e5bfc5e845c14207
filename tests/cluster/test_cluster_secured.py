"""Several nodes of each server, all of it encrypted and with accounts: it adds up."""

import json
import os
import subprocess
import sys

from deploy.local import cluster
from deploy.local.process import ROOT
from tests.secure.test_secured_road import leaks, logs, refusals, secrets_of

RUN_SECONDS_MAX = 480


def test_secured_cluster_adds_up_and_no_secret_shows(tmp_path):
    folder = tmp_path / "run-cluster"
    # On free ports, whatever else runs here.
    nodes = cluster.Nodes()
    cluster.opened(folder, nodes, usual_ports=False, secure=True).close()
    words = ("--folder", str(tmp_path / "run"), "--cluster", "--secure", "--for", "15")
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SMARTMETER_")}
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local", "run", *words, "--workers", "2"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS_MAX,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    ended = summary["counted"] + summary["late"] + summary["dead_letters"]
    assert summary["published"] == ended > 0
    assert summary["raw_data"] == summary["bridged"] > 0
    told = [("standard output", done.stdout), ("standard error", done.stderr)]
    assert [] == leaks(secrets_of(folder / "secrets"), [*logs(folder / "logs"), *told])
    assert [] == refusals(folder / "logs")
    for name in ("nats-1", "nats-3", "kafka-2", "cassandra-2"):
        assert (folder / name).exists()
    print(f"\n{summary}")
