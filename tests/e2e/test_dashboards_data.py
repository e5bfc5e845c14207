"""Every query of every dashboard has data, with the labels that its legend uses.

The pipeline runs with two workers and simulated meters, a real Prometheus asks it as
deploy/prometheus says, and the queries are asked as Grafana asks them.
"""

import json
import math
import os
import shutil
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
import yaml

from deploy.local import ports, targets
from deploy.local.process import ROOT, spawn
from tests.boards import BOARDS, annotation_queries, panel_queries, variables
from tests.road import Road

pytestmark = pytest.mark.timeout(420)

RANGE_SECONDS = 300  # now-5m, as the dashboards open
DATA_SECONDS_MAX = 150
SCRAPE_SECONDS = 5
SERIES_MAX = 2_000
# As Grafana computes them for a range of five minutes and the source's timeInterval.
GLOBALS = {"$__rate_interval": f"{4 * SCRAPE_SECONDS}s", "$__interval": "5s"}


class Prometheus:
    """A real one, with the rules and the scrape configuration that are delivered."""

    def __init__(self, folder):
        configuration = folder / "deploy" / "prometheus"
        shutil.copytree(ROOT / "deploy" / "prometheus", configuration)
        self.folder = folder
        self.port = next(ports.free())
        self.process = spawn(
            [
                "prometheus",
                f"--config.file={configuration / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            log=folder / "prometheus.log",
        )

    def find(self, name, port):
        """Tell it of a process, as the launcher does."""
        targets.write(self.folder / ".run", name, port)

    def ask(self, path, **arguments):
        query = urllib.parse.urlencode(arguments)
        address = f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}"
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error

    def series(self, expr):
        """Return what a graph of the last five minutes shows: labels and values."""
        end = time.time()
        found = self.ask(
            "query_range",
            query=expr,
            start=end - RANGE_SECONDS,
            end=end,
            step=SCRAPE_SECONDS,
        )
        return [
            (series["metric"], [float(value) for _, value in series["values"]])
            for series in found["result"]
        ]


@pytest.fixture
def road(nats_server, kafka_server, cassandra_server, environ_for, tmp_path):
    environ = environ_for(
        windows={"threshold_volts": 114.0},  # passed every day, so it is foreseen too
        forecast={"horizons_hours": "1"},  # scored after four seconds of simulated time
        exporter={"interval_seconds": 2, "processes": f"tests={os.getpid()}"},
    )
    with Road(environ, tmp_path) as road:
        road.command("schema", "apply")
        yield road


@pytest.fixture
def prometheus(tmp_path):
    started = Prometheus(tmp_path / "prometheus")
    yield started
    started.process.kill()


def launch(road, prometheus, name, *words, variable="", **environ):
    """Start a process on a free port, and tell Prometheus of it."""
    port = next(ports.free())
    options = () if variable else ("--port", str(port))
    road.ports[name] = port
    road.processes[name] = spawn(
        [sys.executable, "-m", "app", *words, *options],
        log=road.folder / f"{name}.log",
        environ={**road.environ, **({variable: str(port)} if variable else {})},
    )
    prometheus.find(name, port)


def start_everything(road, prometheus):
    """Start all processes; the second worker last, so that lanes change hands."""
    variable = "SMARTMETER_WORKER__PORT"
    for name, own in (
        ("bridge", "SMARTMETER_BRIDGE__PORT"),
        ("archive", "SMARTMETER_ARCHIVE__WEB_PORT"),
        ("exporter", "SMARTMETER_EXPORTER__PORT"),
    ):
        launch(road, prometheus, name, name, variable=own)
    launch(road, prometheus, "worker-1", "worker", variable=variable)
    road.ready("bridge", "archive", "exporter", "worker-1")
    launch(road, prometheus, "simulator", "simulate", "--rate", "200")
    launch(road, prometheus, "worker-2", "worker", variable=variable)
    road.ready("simulator", "worker-2")


def filled(expr, values):
    """Return a query with variables filled in, the longest names first."""
    for name in sorted(values, key=len, reverse=True):
        expr = expr.replace(name, values[name])
    assert "$" not in expr
    return expr


def chosen(name):
    """Return the values of a dashboard's variables as it opens: all of everything."""
    values = dict(GLOBALS)
    for key, variable in variables(name).items():
        current = variable["current"]["value"]
        values[f"${key}"] = (
            variable["allValue"] if current == ["$__all"] else str(current)
        )
    return values


def trouble(prometheus, query, values):
    """Return why a query is of no use to its panel; empty: it is."""
    found = prometheus.series(filled(query.expr, values))
    if not any(math.isfinite(value) for _, known in found for value in known):
        return f"{query.place}: no data for {query.expr}"
    for labels, _ in found:
        missing = {label for label in query.labels if not labels.get(label)}
        if missing:
            return f"{query.place}: {labels} lacks {missing}"
    return ""


def test_every_panel_annotation_and_variable_has_data(road, prometheus):
    start_everything(road, prometheus)
    road.wait_for(
        lambda: prometheus.series("smartmeter_bridge_dead_letters_total"),
        "Prometheus to have seen that there are no dead letters",
    )
    road.publish([("data.11.1.1", b"")])  # one, about which an alert is to fire

    waiting = [
        (query, chosen(name))
        for name in BOARDS
        for query in [*panel_queries(name), *annotation_queries(name)]
    ]
    assert len(waiting) > 100
    deadline = time.monotonic() + DATA_SECONDS_MAX
    while waiting and time.monotonic() < deadline:
        time.sleep(SCRAPE_SECONDS)  # no new sample comes sooner
        waiting = [
            (query, values)
            for query, values in waiting
            if trouble(prometheus, query, values)
        ]
    assert [] == [trouble(prometheus, query, values) for query, values in waiting]

    check_variables(road, prometheus)
    check_rules(prometheus)
    check_size(prometheus)


def check_variables(road, prometheus):
    """Each variable has values to choose, and all of them together are those of All."""
    for name in BOARDS:
        known = variables(name)
        values = chosen(name)
        for variable in ("job", "instance"):
            query = known[variable]["query"]["query"]
            inner = filled(query, values).removeprefix("label_values(")
            selector, label = inner.removesuffix(")").rsplit(", ", 1)
            assert variable == label
            found = prometheus.ask(f"label/{label}/values", **{"match[]": selector})
            assert found, f"{name}: {query}"
    jobs = prometheus.ask("label/job/values", **{"match[]": "up"})
    assert ["archive", "bridge", "exporter", "simulator", "worker"] == jobs
    workers = prometheus.ask("label/instance/values", **{"match[]": 'up{job="worker"}'})
    expected = {f"127.0.0.1:{road.ports[f'worker-{number}']}" for number in (1, 2)}
    assert expected == set(workers)


def check_rules(prometheus):
    """No rule fails, and the letter of no use has been told of."""
    groups = prometheus.ask("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    written = yaml.safe_load(
        (ROOT / "deploy" / "prometheus" / "rules" / "alerts.yml").read_text()
    )
    alerts = {rule["alert"] for group in written["groups"] for rule in group["rules"]}
    assert alerts <= {rule["name"] for rule in rules}
    assert [] == [rule for rule in rules if rule["health"] == "err"]
    firing = [
        alert
        for alert in prometheus.ask("alerts")["alerts"]
        if alert["state"] == "firing"
    ]
    assert "DeadLetters" in {alert["labels"]["alertname"] for alert in firing}
    letters = [a for a in firing if a["labels"]["alertname"] == "DeadLetters"]
    assert "rejected for their empty" in letters[0]["annotations"]["summary"]


def check_size(prometheus):
    """No process shows more series than a large fleet of them may have."""
    for labels, values in prometheus.series("scrape_samples_scraped"):
        assert max(values) <= SERIES_MAX, labels
