"""Selectors: every one asks for the job and the instance that a person has chosen."""

__all__ = ["increase", "rate", "select"]

RATE_INTERVAL = "$__rate_interval"


def select(metric: str, *matchers: str) -> str:
    """Return a selector of a metric, for the chosen jobs and instances.

    >>> select("up", 'job!="simulator"')
    'up{job=~"$job",instance=~"$instance",job!="simulator"}'
    """
    chosen = ('job=~"$job"', 'instance=~"$instance"', *matchers)
    return f"{metric}{{{','.join(chosen)}}}"


def rate(metric: str, *matchers: str) -> str:
    """Return the rate of a counter per second.

    >>> rate("a_total")
    'rate(a_total{job=~"$job",instance=~"$instance"}[$__rate_interval])'
    """
    return f"rate({select(metric, *matchers)}[{RATE_INTERVAL}])"


def increase(metric: str, *matchers: str) -> str:
    """Return by how much a counter has grown in the last rate interval.

    >>> increase("a_total")
    'increase(a_total{job=~"$job",instance=~"$instance"}[$__rate_interval])'
    """
    return f"increase({select(metric, *matchers)}[{RATE_INTERVAL}])"
