"""Frames: the values of the readings topic, many readings as JSON columns.

    {"v":1,"lane":3,"first":901,"last":1400,"watermark":1700000000,
     "sequence":[…],"timestamp":[…],"line":[…],"transformer":[…],"usagepoint":[…],
     "voltage":[…],"demand":[…],"val3":[…],…}

All columns have one length. An empty frame carries a lane's watermark on while no
reading comes. Readers ignore columns that they do not know.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from app.domain.readings import EXTRA_COLUMNS, Readings
from app.errors import Reason, RejectedMessage

__all__ = ["VERSION", "Frame", "decode_frame", "encode_frame"]

VERSION = 1
KEY_COLUMNS = ("line", "transformer", "usagepoint")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Readings of one lane with the stream sequences and the watermark they end at.

    first and last are the stream sequences of the messages that the frame covers (an
    empty frame repeats the last one covered); watermark is in epoch seconds.
    """

    lane: int
    first: int
    last: int
    watermark: int
    readings: Readings


def encode_frame(frame: Frame) -> bytes:
    """Return a frame as JSON."""
    readings = frame.readings
    return orjson.dumps(
        {
            "v": VERSION,
            "lane": frame.lane,
            "first": frame.first,
            "last": frame.last,
            "watermark": frame.watermark,
            "sequence": readings.sequence,
            "timestamp": readings.timestamp,
            "line": readings.line,
            "transformer": readings.transformer,
            "usagepoint": readings.usagepoint,
            "voltage": readings.voltage,
            **readings.extra,
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )


def decode_frame(value: bytes | None, *, extra: bool = False) -> Frame:
    """Return the frame that a Kafka value holds; the seed's other columns if asked.

    Raises:
        RejectedMessage: The value is no frame of a version that this build knows.
    """
    try:
        fields: dict[str, Any] = orjson.loads(value or b"")
        if fields["v"] != VERSION:
            raise RejectedMessage(Reason.VERSION, f"frame version {fields['v']}")
        sequence = _column(fields, "sequence", np.int64)
        readings = Readings(
            sequence=sequence,
            timestamp=_column(fields, "timestamp", np.int64),
            line=_column(fields, "line", np.int32),
            transformer=_column(fields, "transformer", np.int32),
            usagepoint=_column(fields, "usagepoint", np.int32),
            voltage=_column(fields, "voltage", np.float32),
            extra={
                name: _column(fields, name, np.float32)
                for name in (EXTRA_COLUMNS if extra else ())
                if name in fields
            },
        )
        columns: list[NDArray[Any]] = [
            readings.timestamp,
            readings.line,
            readings.transformer,
            readings.usagepoint,
            readings.voltage,
            *readings.extra.values(),
        ]
        if any(column.shape != sequence.shape for column in columns):
            raise RejectedMessage(Reason.JSON, "columns of different lengths")
        return Frame(
            lane=int(fields["lane"]),
            first=int(fields["first"]),
            last=int(fields["last"]),
            watermark=int(fields["watermark"]),
            readings=readings,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise RejectedMessage(Reason.JSON, f"not a frame: {error!r}") from None


def _column(fields: dict[str, Any], name: str, dtype: Any) -> NDArray[Any]:
    column = np.array(fields[name], dtype)
    if column.ndim != 1:
        raise RejectedMessage(Reason.JSON, f"column {name} is not flat")
    return column
