"""The alerts agent: closed windows and people's commands in, alerts out."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from app.domain.alert_rules import ClosedRows
from app.domain.alerts import AlertEvent, State
from app.errors import RejectedMessage
from app.metrics import alerts as metrics
from app.metrics.alerts import AlertFigures
from app.wire.alerts import decode_command, encode_alert_event
from app.wire.events import decode_event
from app.worker import Result, app
from tables.alerts import AlertsState, alerts
from tables.table import Change

__all__ = ["change", "figures", "raise_alerts"]

logger = logging.getLogger(__name__)
topology = app.topology


@app.agent(app.channel_for(*alerts.sources), name="alerts")
async def raise_alerts(stream: Any) -> None:
    """Raise alerts where windows leave what is allowed; clear them when it is over."""
    await alerts.consume(stream, change)


def change(lane: int, state: AlertsState, events: Sequence[Any]) -> Change:
    """Take windows and commands; results are events of alerts."""
    happened: list[AlertEvent] = []
    for event in events:
        message = event.message
        try:
            if message.topic == topology.alert_commands.name:
                command = decode_command(event.value)
                happened += state.acknowledge(command.alert, command.at)
            else:
                rows = ClosedRows.from_columns(decode_event(event.value))
                happened += state.take(rows)
        except (
            RejectedMessage,
            KeyError,
            TypeError,
            ValueError,
            OverflowError,
        ) as error:
            # Only our own stages write here; another build, perhaps.
            logger.warning(
                "%s/%s at %s is of no use to the alerts: %r",
                message.topic,
                message.partition,
                message.offset,
                error,
            )
    results: list[Result] = [
        (topology.alerts, lane, encode_alert_event(each)) for each in happened
    ]
    for each in happened:
        metrics.event_published(each.kind)
    return Change(body=state.delta_body(), results=results)


def figures() -> Iterator[AlertFigures]:
    """Yield how many alerts are open in the lanes that this worker has."""
    for lane, state in alerts.states.items():
        states = [alert.state for alert in state.open.values()]
        yield AlertFigures(
            lane=lane,
            raised=states.count(State.RAISED),
            acknowledged=states.count(State.ACKNOWLEDGED),
        )


metrics.register_alerts(figures)
