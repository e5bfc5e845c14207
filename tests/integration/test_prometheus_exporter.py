"""`smartmeter exporter` against real servers, and without them."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app import settings
from deploy.local import ports
from deploy.local.process import ROOT

INHERITED = {k: v for k, v in os.environ.items() if not k.startswith(settings.PREFIX)}
NOBODY = {
    # Port 9 is nobody's: connections are refused at once.
    "SMARTMETER_KAFKA__SERVERS": "127.0.0.1:9",
    "SMARTMETER_ARCHIVE__PORT": "9",
    "SMARTMETER_EXPORTER__NATS_MONITORS": "http://127.0.0.1:9",
    "SMARTMETER_EXPORTER__INTERVAL_SECONDS": "0.5",
    "SMARTMETER_EXPORTER__TIMEOUT_SECONDS": "20",
}


class Exporter:
    """A running exporter."""

    def __init__(self, environ):
        self.port = next(ports.free())
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app", "exporter"],
            cwd=ROOT,
            env=INHERITED
            | NOBODY
            | environ
            | {settings.variable("exporter", "port"): str(self.port)},
            stdout=subprocess.PIPE,
            text=True,
        )

    def text(self):
        address = f"http://127.0.0.1:{self.port}/metrics"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.read().decode()

    def samples(self):
        try:
            families = list(text_string_to_metric_families(self.text()))
        except (urllib.error.URLError, OSError):
            return []
        return [sample for family in families for sample in family.samples]

    def value(self, name, **labels):
        found = [
            sample.value
            for sample in self.samples()
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return found[0] if found else None

    def wait_for(self, condition, what):
        deadline = time.monotonic() + 90
        while not condition():
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < deadline, f"waited for {what}\n{self.text()}"
            time.sleep(0.1)

    def wait_until_up(self, source, state=1):
        self.wait_for(
            lambda: state == self.value("smartmeter_exporter_up", source=source),
            f"{source} to be {state}",
        )


@pytest.fixture
def start():
    started = []

    def start(environ):
        started.append(Exporter(environ))
        return started[-1]

    yield start
    for exporter in started:
        exporter.process.terminate()
        exporter.process.communicate(timeout=60)
        assert 0 == exporter.process.returncode


def test_nats_that_goes_away_leaves_no_series_and_comes_back(start, private_stack):
    private_stack.start("nats")
    exporter = start(private_stack.environ("trial"))
    exporter.wait_until_up("nats")
    server = private_stack.addresses["nats_monitor"]
    assert exporter.value("gnatsd_varz_mem", server_id=server) > 1 << 20
    assert exporter.value("gnatsd_varz_total_connections", server_id=server) > 0

    private_stack.kill("nats")
    exporter.wait_until_up("nats", state=0)
    assert [] == [s for s in exporter.samples() if s.name.startswith("gnatsd_")]
    # Those that never were do not hold it up.
    exporter.wait_until_up("kafka", state=0)
    exporter.wait_until_up("cassandra", state=0)

    private_stack.restart("nats")
    exporter.wait_until_up("nats")


def test_kafka_tells_of_our_topics(start, kafka_server, environ_for):
    environ = environ_for()
    subprocess.run(
        [sys.executable, "-m", "app", "topics"],
        cwd=ROOT,
        env=INHERITED | environ,
        check=True,
        capture_output=True,
        timeout=120,
    )
    exporter = start(environ)
    exporter.wait_until_up("kafka")
    topic = f"{settings.load(environ).namespace}.readings"
    samples = exporter.samples()
    ends = [s for s in samples if s.name == "smartmeter_kafka_topic_records_total"]
    assert 8 == len([s for s in ends if s.labels["topic"] == topic])
    namespaces = {sample.labels["topic"].partition(".")[0] for sample in ends}
    assert {topic.partition(".")[0]} == namespaces
    assert 1 == exporter.value("smartmeter_kafka_brokers")


def test_cassandra_tells_of_each_node(start, cassandra_server, environ_for):
    environ = environ_for()
    subprocess.run(
        [sys.executable, "-m", "app", "schema"],
        cwd=ROOT,
        env=INHERITED | environ,
        check=True,
        capture_output=True,
        timeout=120,
    )
    exporter = start(environ)
    exporter.wait_until_up("cassandra")
    assert 1 == exporter.value("smartmeter_cassandra_nodes", state="up")
    disk = [
        s for s in exporter.samples() if s.name == "smartmeter_cassandra_disk_bytes"
    ]
    assert "raw_data" in {sample.labels["table"] for sample in disk}
    assert {cassandra_server} == {sample.labels["node"] for sample in disk}
