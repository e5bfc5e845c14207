"""The metrics that exist, and those that a query asks for."""

import importlib
import pkgutil
import re
from functools import cache

from prometheus_client import Histogram
from prometheus_client.metrics import MetricWrapperBase

from app import metrics

# Of Prometheus and of prometheus-client: not ours to declare.
GIVEN = {
    "ALERTS",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "up",
}
NAME = re.compile(
    r"(?<![\w:])((?:smartmeter|gnatsd|jetstream|process|lane|line|fleet|group)"
    r"[_:][a-z][\w:]*|ALERTS|up)(?=[{\[) ]|$)"
)


@cache
def metrics_declared():
    """Return the names of all series that our processes may show."""
    found = set(GIVEN)
    for info in pkgutil.iter_modules(metrics.__path__):
        module = importlib.import_module(f"app.metrics.{info.name}")
        found |= {family.name for family in getattr(module, "FAMILIES", ())}
        for metric in vars(module).values():
            if isinstance(metric, Histogram):
                found |= {metric._name + end for end in ("_bucket", "_sum", "_count")}
            elif isinstance(metric, MetricWrapperBase):
                found.add(metric._name + "_total" * (metric._type == "counter"))
    return frozenset(found)


def metrics_asked_for(expression):
    """Return the names of the metrics in a PromQL expression.

    >>> sorted(metrics_asked_for('sum by (up) (process_open_fds{a="up"}) / up'))
    ['process_open_fds', 'up']
    """
    without = re.sub(r'"[^"]*"', '""', expression)
    without = re.sub(r"\b(by|on|without|ignoring) \([^)]*\)", "", without)
    return set(NAME.findall(without))
