"""The fleet agent: each lane's maxima in, the fleet's maximum per epoch out."""

import logging
from collections.abc import Sequence
from typing import Any

from app.errors import RejectedMessage
from app.metrics import live
from app.wire.events import decode_event, encode_event
from app.worker import Result, app
from tables.fleet import FleetState, closed_body, fleet, lane_closed
from tables.table import Change

__all__ = ["change", "fleet_maxima", "latest"]

logger = logging.getLogger(__name__)
topology = app.topology


@app.agent(app.channel_for(topology.partial_maxima), name="fleet_maxima")
async def fleet_maxima(stream: Any) -> None:
    """Merge the lanes' maxima into one per epoch, once all lanes have closed it."""
    await fleet.consume(stream, change)


def change(_partition: int, state: FleetState, events: Sequence[Any]) -> Change:
    """Add what lanes closed; results are the epochs that are now final."""
    bodies = []
    results: list[Result] = []
    for event in events:
        try:
            closed = lane_closed(decode_event(event.value))
        except (RejectedMessage, KeyError, TypeError, ValueError) as error:
            # Only our own windows agent writes here; another build, perhaps.
            logger.warning("%s: not a lane's maxima: %s", event.message.offset, error)
            continue
        bodies.append(closed_body(closed))
        for epoch, voltage in state.apply(closed).items():
            value = encode_event({"epoch": epoch, "voltage": voltage})
            results.append((topology.maxima, 0, value))
            results.append((topology.fleet_windows, 0, _window(epoch, voltage)))
    return Change(body={"events": bodies}, results=results)


def _window(epoch: int, voltage: float) -> bytes:
    """Return the fleet's window as those of a transformer 0 of a line 0."""
    windows = app.smartmeter.windows
    return encode_event(
        {
            "lane": 0,
            "watermark": epoch + windows.size_seconds + windows.grace_seconds,
            "start": [epoch],
            "line": [0],
            "transformer": [0],
            # Of a fleet the maximum alone is known.
            "minimum": [voltage],
            "maximum": [voltage],
            "mean": [voltage],
        }
    )


def latest() -> tuple[int, float] | None:
    """Return the last epoch that is final, and its maximum, where this worker knows."""
    return next((state.latest for state in fleet.states.values()), None)


live.register_fleet(latest)
