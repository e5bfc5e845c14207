"""The ground that the stages share, and the processes.

errors, settings, topology, clock, logs    what everything stands on
domain/      pure: readings, windows, standards, predictions, weather (NumPy only)
wire/        bytes in and out: meter payloads, frames, events
metrics/     events that count themselves, one module per stage
health.py    /live, /ready and /metrics of a process without Faust
sinks/       the only importer of the Cassandra driver
predictor/   the only importer of river
worker.py    the live stage (Faust);  archive.py  the archive stage (Faust)
topics.py    Kafka topics: create and check
views/       the web view of a worker
simulator/   meters that do not exist
cli/         one module per command
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.worker import app as app

__all__ = ["app"]


def __getattr__(name: str) -> Any:
    # `faust -A app` takes the attribute `app`; building it on every import of `app.…`
    # would make the bridge and each unit test carry Faust.
    if name == "app":
        from app.worker import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
