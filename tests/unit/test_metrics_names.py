"""Every metric that is declared under app/metrics keeps the rules of its names.

smartmeter_<stage>_<noun>_<unit>[_total]: the stage is the module, the unit a base unit
or the thing that is counted, labels are from a closed list, and so many series at most.
"""

import importlib
import math
import pkgutil
from typing import NamedTuple

import pytest
from prometheus_client import Histogram
from prometheus_client.metrics import MetricWrapperBase

from app import metrics
from app.errors import Reason
from app.settings import Settings
from app.sinks import tables
from app.topology import Topology

STAGES = sorted(
    module.name
    for module in pkgutil.iter_modules(metrics.__path__)
    if module.name != "families"
)
# NATS's own exporter has these names, and dashboards are to serve with either.
FOREIGN = ("gnatsd_varz_", "jetstream_")

UNITS = {"seconds", "bytes", "volts", "celsius", "ratio", "nats"}
COUNTED = {
    "alerts",
    "assignments",
    "brokers",
    "champions",
    "connections",
    "cycles",
    "drifts",
    "errors",
    "events",
    "exceedances",
    "files",
    "frames",
    "hits",
    "lanes",
    "letters",
    "messages",
    "models",
    "nodes",
    "partitions",
    "predictions",
    "readings",
    "reads",
    "rebalances",
    "records",
    "renewals",
    "requests",
    "results",
    "rows",
    "scans",
    "tasks",
    "terms",
    "transformers",
    "versions",
    "windows",
    "writes",
}
STATES = {"up", "active"}  # 1 or 0
# What became of the things that are counted, behind their name.
FATES = {
    "changed",
    "closed",
    "counted",
    "folded",
    "found",
    "late",
    "made",
    "published",
    "refused",
    "rejected",
    "renewed",
    "restored",
    "scored",
    "skipped",
}
SCALED = {"ms", "milliseconds", "us", "minutes", "hours", "kb", "mb", "mib", "percent"}

LANES = Settings().kafka.lanes
TOPICS = len(Topology(Settings()).topics)
TABLES = len(tables.TABLES)
# How many values a label may have: at the default number of lanes, and a node each.
LABELS = {
    "cache": 4,
    "consumer_name": LANES + 1,
    "event": 3,
    "group": 3,
    "kind": 4,
    "lane": LANES,
    "line": 201,
    "model": 4,
    "node": 1,
    "partition": LANES,
    "percentile": 3,
    "pool": 6,
    "reason": len(Reason),
    "series": 3,
    "server": 3,
    "server_id": 1,
    "slot": 1,
    "source": 3,
    "state": 2,
    "stream_name": 2,
    "table": TABLES,
    "topic": TOPICS,
}
# A live worker, an archive worker, and so on: what one process shows together.
PROCESSES = {
    "live worker": ("live", "faust", "forecast", "alerts"),
    "archive worker": ("archive", "faust"),
    "bridge": ("bridge",),
    "simulator": ("simulator",),
    "exporter": ("exporter", "nats", "kafka", "cassandra", "servers"),
}
SERIES_MAX = 2_000
PROCESS_SERIES = 20  # of prometheus-client itself: CPU, memory, files, collections


class Declared(NamedTuple):
    stage: str
    name: str
    type: str
    help: str
    labels: tuple[str, ...]
    buckets: int


def _declared():
    for stage in STAGES:
        module = importlib.import_module(f"app.metrics.{stage}")
        for metric in vars(module).values():
            if isinstance(metric, MetricWrapperBase):
                yield _wrapped(stage, metric)
        for family in getattr(module, "FAMILIES", ()):
            yield Declared(
                stage, family.name, family.type, family.help, family.labels, 0
            )


def _wrapped(stage, metric):
    kind = type(metric).__name__.lower()
    return Declared(
        stage,
        metric._name + "_total" * (kind == "counter"),
        kind,
        metric._documentation,
        tuple(metric._labelnames),
        len(metric._kwargs["buckets"]) + 1 if isinstance(metric, Histogram) else 0,
    )


DECLARED = list(_declared())
OURS = [metric for metric in DECLARED if not metric.name.startswith(FOREIGN)]

every = pytest.mark.parametrize("metric", DECLARED, ids=lambda metric: metric.name)
ours = pytest.mark.parametrize("metric", OURS, ids=lambda metric: metric.name)


def test_every_stage_declares_something():
    assert set(STAGES) == {metric.stage for metric in DECLARED}
    assert set(STAGES) == {stage for stages in PROCESSES.values() for stage in stages}


def test_names_are_declared_once():
    names = [metric.name for metric in DECLARED]
    assert sorted(set(names)) == sorted(names)


@ours
def test_name_begins_with_its_stage(metric):
    assert metric.name.startswith(f"smartmeter_{metric.stage}_")


@ours
def test_name_ends_with_its_unit(metric):
    words = metric.name.removesuffix("_total").split("_")[2:]
    known = UNITS | COUNTED
    if metric.type == "histogram":
        assert words[-1] in known
    elif words[-1] in FATES:
        assert words[-2] in known
    else:
        assert words[-1] in known | STATES


@ours
def test_base_units_only(metric):
    assert not SCALED & set(metric.name.split("_"))


@every
def test_counters_and_nothing_else_are_totals(metric):
    assert (metric.type == "counter") == metric.name.endswith("_total")


@every
def test_help_is_a_sentence(metric):
    assert metric.help[0].isupper()
    assert metric.help.endswith(".")
    assert "  " not in metric.help


@every
def test_labels_are_from_the_closed_list(metric):
    assert set(metric.labels) <= LABELS.keys()
    assert {"meter", "usage_point", "transformer"}.isdisjoint(metric.labels)


def series(metric):
    """Return how many series a metric may have at most."""
    labelled = math.prod(LABELS[label] for label in metric.labels)
    return labelled * (metric.buckets + 2 if metric.buckets else 1)


@pytest.mark.parametrize("process", PROCESSES)
def test_series_of_a_process_are_bounded(process):
    stages = PROCESSES[process]
    total = sum(series(metric) for metric in DECLARED if metric.stage in stages)
    assert total + PROCESS_SERIES <= SERIES_MAX
