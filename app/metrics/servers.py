"""Processor time and memory of servers on this machine, as the system counts them.

For servers that no orchestrator measures: where one does, its figures are better.
"""

from collections.abc import Iterator, Mapping

import psutil

from app.metrics.families import Families, Sample, counter, gauge

__all__ = ["FAMILIES", "families"]

CPU = counter(
    "smartmeter_servers_cpu_seconds_total",
    "Processor time that a server's process has used.",
    "server",
)
MEMORY = gauge(
    "smartmeter_servers_resident_memory_bytes",
    "Resident memory of a server's process.",
    "server",
)
FAMILIES = (CPU, MEMORY)


def families(processes: Mapping[str, int]) -> Families:
    """Return what shows processes, by name and number, read at each scrape.

    One that has ended, and one that took its number since, have no series.
    """
    known = {}
    for name, number in processes.items():
        try:
            known[name] = psutil.Process(number)
        except psutil.NoSuchProcess:
            continue

    def samples() -> Iterator[Sample]:
        for name, process in known.items():
            try:
                if not process.is_running():
                    continue
                times, memory = process.cpu_times(), process.memory_info()
            except psutil.Error:
                continue
            yield Sample(CPU.name, (name,), times.user + times.system)
            yield Sample(MEMORY.name, (name,), memory.rss)

    return Families(FAMILIES, samples)
