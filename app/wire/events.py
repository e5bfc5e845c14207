"""Events: the JSON values of every other Kafka topic, and what goes out on NATS.

Records with many rows hold columns of one length, as frames do.

windows         {"v":1,"lane","watermark","start":[s],"line":[],"transformer":[],
                 "count":[],"minimum":[V],"maximum":[V],"mean":[V],"usagepoint":[],
                 "over":[],"verdict":[]}
partial-maxima  {"v":1,"lane","closed_to":s,"epoch":[s],"voltage":[V]}
maxima          {"v":1,"epoch":s,"voltage":V}
fleet-windows   as windows, of line 0 and transformer 0, which stand for the fleet
late            {"v":1,"lane","watermark":s,"sequence":[],"timestamp":[],"line":[],
                 "transformer":[],"usagepoint":[],"voltage":[V],"late_by":[s]}
weather         {"v":1,"kind":"temperature"|"forecast","epoch":s,"celsius",
                 "hours":0|12,"sequence"}
predictions     {"v":1,"lane","made":s,"hours":12,"threshold":V,"temperature":°C|null,
                 "epoch":[s],"line":[],"transformer":[],"probability":[],"alert":[]}
dead-letters    {"v":1,"reason","detail","subject","stream","sequence","arrival":s,
                 "payload":base64}
                and, where one is sent again, a mark before and a mark after it:
                {"v":1,"replaying":identity,"at":s,"message":name,"after":sequence}
                {"v":1,"replayed":identity,"at":s,"stream","sequence"}
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from app.errors import Reason, RejectedMessage

__all__ = [
    "VERSION",
    "DeadLetter",
    "decode_dead_letter",
    "decode_event",
    "encode_dead_letter",
    "encode_event",
    "encode_maximum",
    "encode_prediction",
    "encode_temperature",
]

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that could not be used, with all that is needed to send it again."""

    reason: Reason
    detail: str
    subject: str
    stream: str
    sequence: int
    arrival: float
    payload: bytes

    @property
    def identity(self) -> str:
        """The same for repeats of a letter, and different for any other letter.

        The entries of a JSON batch share its sequence, so the payload counts too.
        """
        digest = hashlib.blake2b(self.payload, digest_size=4).hexdigest()
        return f"{self.stream}/{self.sequence}/{digest}"


def encode_event(fields: Mapping[str, Any]) -> bytes:
    """Return an event as JSON with the version; columns may be NumPy arrays."""
    return orjson.dumps({"v": VERSION, **fields}, option=orjson.OPT_SERIALIZE_NUMPY)


def decode_event(value: bytes | None) -> dict[str, Any]:
    """Return an event's fields.

    Raises:
        RejectedMessage: The value is no event of a version that this build knows.
    """
    try:
        fields = orjson.loads(value or b"")
        version = fields["v"]
    except (KeyError, TypeError, ValueError) as error:
        raise RejectedMessage(Reason.JSON, f"not an event: {error!r}") from None
    if version != VERSION:
        raise RejectedMessage(Reason.VERSION, f"event version {version}")
    return dict(fields)


def encode_dead_letter(letter: DeadLetter) -> bytes:
    """Return a dead letter as JSON, its payload in base64."""
    return encode_event(
        {
            "reason": letter.reason.value,
            "detail": letter.detail,
            "subject": letter.subject,
            "stream": letter.stream,
            "sequence": letter.sequence,
            "arrival": letter.arrival,
            "payload": base64.b64encode(letter.payload).decode(),
        }
    )


def decode_dead_letter(value: bytes | None) -> DeadLetter:
    """Return the dead letter that a Kafka value holds.

    Raises:
        RejectedMessage: It is none, or of a version that this build does not know.
    """
    fields = decode_event(value)
    try:
        return DeadLetter(
            reason=Reason(fields["reason"]),
            detail=str(fields["detail"]),
            subject=str(fields["subject"]),
            stream=str(fields["stream"]),
            sequence=int(fields["sequence"]),
            arrival=float(fields["arrival"]),
            payload=base64.b64decode(fields["payload"], validate=True),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RejectedMessage(Reason.JSON, f"not a dead letter: {error!r}") from None


def encode_maximum(epoch: int, voltage: float) -> bytes:
    """Return the fleet's maximum as the seed published it.

    >>> encode_maximum(1479537000, 117.5)
    b'{"epoch":1479537000,"voltage":117.5}'
    """
    return orjson.dumps({"epoch": epoch, "voltage": voltage})


def encode_temperature(epoch: int, celsius: float) -> bytes:
    """Return a temperature as the seed published it.

    >>> encode_temperature(1479537000, -3.25)
    b'{"epoch":1479537000,"temperature":-3.25}'
    """
    return orjson.dumps({"epoch": epoch, "temperature": celsius})


def encode_prediction(
    epoch: int, celsius: float | None, threshold_volts: float
) -> bytes:
    """Return a positive prediction as the seed published it; its time in milliseconds.

    >>> encode_prediction(1479537000, 4.5, 116.0)
    b'{"timestamp":1479537000000,"temperature":4.5,"alert":116.0}'
    """
    return orjson.dumps(
        {"timestamp": epoch * 1_000, "temperature": celsius, "alert": threshold_volts}
    )
