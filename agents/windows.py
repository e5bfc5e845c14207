"""The windows agent: frames in, exact windows out."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.domain.folding import Fold, Slice, fold
from app.domain.windows import WindowRows
from app.errors import RejectedMessage
from app.metrics import live
from app.wire.events import DeadLetter, encode_dead_letter, encode_event
from app.wire.frames import decode_frame
from app.worker import Result, app
from tables.maxima import LaneState, delta_body, maxima
from tables.table import Change

__all__ = ["change", "windows"]

WINDOW_ROWS_MAX = 10_000  # in one record: about 1.5 MB as JSON

topology = app.topology
live.threshold_known(app.smartmeter.windows.threshold_volts)
profile = app.smartmeter.windows.profile


@app.agent(app.channel_for(topology.readings), name="windows")
async def windows(stream: Any) -> None:
    """Fold frames of readings into exact event-time windows."""
    await maxima.consume(stream, change)


def change(lane: int, state: LaneState, events: Sequence[Any]) -> Change:
    """Add frames to a lane's windows; results are what is late and what closes."""
    results: list[Result] = []
    frames = _decode(events, results)
    before = state.closed_to
    folded = fold(state, frames)
    closed = state.apply(folded.delta)
    results += _late(lane, folded)
    results += _closed(lane, state, closed)
    if state.closed_to > before:
        results.append(_partial_maxima(lane, state, closed))
    live.frames_folded(folded.delta.counted + folded.delta.late)
    return Change(body=delta_body(folded.delta), results=results)


def _decode(events: Sequence[Any], results: list[Result]) -> list[Slice]:
    frames = [Slice.empty()]
    for event in events:
        try:
            frame = decode_frame(event.value)
        except RejectedMessage as error:
            live.frame_rejected(error.reason)
            message = event.message
            letter = DeadLetter(
                reason=error.reason,
                detail=error.detail,
                subject=f"{message.topic}/{message.partition}",
                stream="kafka",
                sequence=message.offset,
                arrival=message.timestamp,
                payload=message.value or b"",
            )
            results.append((topology.dead_letters, 0, encode_dead_letter(letter)))
        else:
            frames.append(Slice(frame.last, frame.watermark, frame.readings))
    return frames


def _late(lane: int, folded: Fold) -> list[Result]:
    late = folded.late
    if not len(late):
        return []
    value = encode_event(
        {
            "lane": lane,
            "watermark": folded.delta.watermark,
            "sequence": late.sequence,
            "timestamp": late.timestamp,
            "line": late.line,
            "transformer": late.transformer,
            "usagepoint": late.usagepoint,
            "voltage": late.voltage,
            "late_by": folded.late_by,
        }
    )
    return [(topology.late, lane, value)]


def _closed(lane: int, state: LaneState, closed: WindowRows) -> list[Result]:
    records: list[Result] = []
    for begin in range(0, len(closed), WINDOW_ROWS_MAX):
        rows = closed.take(slice(begin, begin + WINDOW_ROWS_MAX))
        value = encode_event(
            {
                "lane": lane,
                "watermark": state.watermark,
                "start": rows.start,
                "line": rows.line,
                "transformer": rows.transformer,
                "count": rows.count,
                "minimum": rows.minimum,
                "maximum": rows.maximum,
                "mean": rows.mean,
                "usagepoint": rows.usagepoint,
                "over": rows.over,
                "verdict": profile.verdicts(rows.minimum, rows.maximum, rows.mean),
            }
        )
        records.append((topology.windows, lane, value))
    live.window_rows_published(len(closed))
    if len(closed):
        lines, place = np.unique(closed.line, return_inverse=True)
        counts = (np.bincount(place, column) for column in (closed.count, closed.over))
        live.line_readings_closed(lines, *counts)
    return records


def _partial_maxima(lane: int, state: LaneState, closed: WindowRows) -> Result:
    epochs, voltages = closed.maximum_by_start()
    value = encode_event(
        {
            "lane": lane,
            "closed_to": state.closed_to,
            "epoch": epochs,
            "voltage": voltages,
        }
    )
    return topology.partial_maxima, 0, value
