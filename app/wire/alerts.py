"""Alerts on the wire: events of the topic of alerts, commands, and what NATS gets.

alerts          {"v":1,"event":"raised"|"acknowledged"|"cleared","alert":name,"at":s,
                 "line","transformer","usagepoint","kind":"high"|"low","epoch":s,
                 "voltage":V,"mean":V,"count","over","verdict","limit":V}
                and, of what was cleared, "peak":V,"peak_usagepoint","peak_epoch":s,
                "windows"
alert-commands  {"v":1,"command":"acknowledge","alert":name,"at":s}

epoch is the start of the window that raised the alert, and at the moment of the event:
the end of the window that raised or cleared it, or when a person acknowledged it. An
event may come twice, equal to the letter; alert and event name it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from app.domain.alerts import AlertEvent, EventKind, parse_name
from app.errors import Reason, RejectedMessage
from app.wire.events import decode_event, encode_event

__all__ = [
    "Acknowledge",
    "alert_identity",
    "decode_command",
    "encode_alert",
    "encode_alert_event",
    "encode_command",
]

ACKNOWLEDGE = "acknowledge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge:
    """A person's word, at a moment (epoch seconds), that they have seen an alert."""

    alert: str
    at: int


def encode_alert_event(event: AlertEvent) -> bytes:
    """Return an event as the topic of alerts has it.

    Nothing that changes while the alert is open is in what is said of its raise and of
    its acknowledgement, so that a repetition is equal to the letter.
    """
    alert = event.alert
    moments = {
        EventKind.RAISED: alert.raised,
        EventKind.ACKNOWLEDGED: alert.acknowledged,
        EventKind.CLEARED: alert.cleared,
    }
    fields = {
        "event": event.kind.value,
        "alert": alert.name,
        "at": moments[event.kind],
        "line": alert.line,
        "transformer": alert.transformer,
        "usagepoint": alert.usagepoint,
        "kind": alert.side.value,
        "epoch": alert.epoch,
        "voltage": alert.voltage,
        "mean": alert.mean,
        "count": alert.count,
        "over": alert.over,
        "verdict": alert.verdict,
        "limit": alert.limit,
    }
    if event.kind is EventKind.CLEARED:
        fields |= {
            "peak": alert.peak,
            "peak_usagepoint": alert.peak_usagepoint,
            "peak_epoch": alert.peak_epoch,
            "windows": alert.windows,
        }
    return encode_event(fields)


def encode_command(command: Acknowledge) -> bytes:
    """Return a command as the topic of commands has it.

    >>> encode_command(Acknowledge(alert="11-3-high-1479537000", at=1479540000))
    b'{"v":1,"command":"acknowledge","alert":"11-3-high-1479537000","at":1479540000}'
    """
    return encode_event(
        {"command": ACKNOWLEDGE, "alert": command.alert, "at": command.at}
    )


def decode_command(value: bytes | None) -> Acknowledge:
    """Return the command that a record holds.

    Raises:
        RejectedMessage: It holds none that this build knows.
    """
    fields = decode_event(value)
    if fields.get("command") != ACKNOWLEDGE:
        raise RejectedMessage(Reason.JSON, f"no command {fields.get('command')!r}")
    try:
        parse_name(fields["alert"])
        return Acknowledge(alert=fields["alert"], at=int(fields["at"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise RejectedMessage(Reason.JSON, f"not a command: {error!r}") from None


def encode_alert(fields: Mapping[str, Any]) -> bytes:
    """Return an event as NATS gets it: the seed's epoch and count, and what it lacked.

    The seed sent both in twelve bytes; maxima and predictions are JSON, and so is this.

    Raises:
        KeyError: The event lacks a field.
    """
    names = ("epoch", "voltage", "event", "alert", "kind", "at")
    return orjson.dumps({"count": fields["over"], **{n: fields[n] for n in names}})


def alert_identity(fields: Mapping[str, Any]) -> str:
    """Return what is the same for repetitions of an event, and for no other.

    >>> alert_identity({"alert": "11-3-high-1479537000", "event": "raised"})
    'alert-11-3-high-1479537000-raised'
    """
    return f"alert-{fields['alert']}-{fields['event']}"
