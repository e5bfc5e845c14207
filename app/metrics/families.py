"""Metrics that are read at each scrape from something that knows them already.

A counter in code costs on every event; a state that is kept anyway costs nothing until
somebody asks. What goes away (a lane that another worker has now, a server that does
not answer) leaves no series behind.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

__all__ = ["Families", "Family", "Sample", "counter", "gauge"]


class Family(NamedTuple):
    """A metric as it is declared: its full name, its type, its help, its labels."""

    name: str
    type: Literal["counter", "gauge"]
    help: str
    labels: tuple[str, ...] = ()


class Sample(NamedTuple):
    """A value of a family, with its labels' values in the family's order."""

    name: str
    labels: tuple[str, ...]
    value: float


def gauge(name: str, text: str, *labels: str) -> Family:
    """Declare a metric that may go up and down."""
    return Family(name, "gauge", text, labels)


def counter(name: str, text: str, *labels: str) -> Family:
    """Declare a metric that only grows; its name ends in `_total`."""
    return Family(name, "counter", text, labels)


class Families(Collector):
    """Families whose samples a function returns, called at each scrape.

    Raises:
        KeyError: A sample belongs to no family.
    """

    def __init__(
        self, families: Sequence[Family], samples: Callable[[], Iterable[Sample]]
    ) -> None:
        self._families = families
        self._samples = samples

    def register(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Show the families of this process from now on."""
        registry.register(self)

    def describe(self) -> Iterator[Metric]:
        """Yield the families without samples: nothing is asked for at registration."""
        return (_metric(family) for family in self._families)

    def collect(self) -> Iterator[Metric]:
        """Yield the families with the samples of this moment."""
        metrics = {family.name: _metric(family) for family in self._families}
        for sample in self._samples():
            metrics[sample.name].add_metric(sample.labels, sample.value)
        yield from metrics.values()


def _metric(family: Family) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if family.type == "counter" else GaugeMetricFamily
    return kind(family.name, family.help, labels=family.labels)
