"""The ground that the stages share, and the processes.

errors, settings, topology, clock, logs    what everything stands on
domain/      pure: readings, windows, standards, predictions, weather (NumPy only)
wire/        bytes in and out: meter payloads, frames, events
metrics/     events that count themselves, one module per stage
health.py    /live, /ready and /metrics of a process without Faust
alive.py     the health check of the image
sinks/       the only importer of the Cassandra driver
predictor/   the only importer of river
worker.py    the live stage (Faust);  archive.py  the archive stage (Faust)
topics.py    Kafka topics: create and check
views/       the web view of a worker
simulator/   meters that do not exist
cli/         one module per command
"""

import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from app.errors import SmartMeterError

if TYPE_CHECKING:
    from app.worker import app as app

__all__ = ["app"]


def _tell(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Say an error of ours in one line; of any other, all that is known."""
    if isinstance(error, SmartMeterError):
        sys.stderr.write(f"smartmeter: {error}\n")
    else:
        sys.__excepthook__(kind, error, trace)


# `faust -A …`, or `python -m faust -A …`; `smartmeter` has its own way (app/cli).
if "faust" in Path(sys.argv[0]).parts[-2:]:
    sys.excepthook = _tell


def __getattr__(name: str) -> Any:
    # `faust -A app` takes the attribute `app`; building it on every import of `app.…`
    # would make the bridge and each unit test carry Faust.
    if name == "app":
        from app.worker import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
