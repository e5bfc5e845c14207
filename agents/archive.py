"""The archive agents: what the other stages publish becomes rows of tables."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from app.archive import app
from app.errors import Reason, RejectedMessage
from app.metrics import archive as metrics
from app.sinks import rows, tables
from app.sinks.base import RefusedRow, Rows
from app.sinks.tables import Table
from app.wire.events import DeadLetter, decode_event, encode_dead_letter
from app.wire.frames import decode_frame

__all__ = [
    "alerts",
    "late",
    "maxima",
    "models",
    "predictions",
    "readings",
    "weather",
    "windows",
]

topology = app.topology
Convert = Callable[[bytes | None], Sequence[tuple[Table, Rows]]]
"""Turns a record's value into rows of tables."""


@app.agent(app.source(topology.readings), name="archive_readings")
async def readings(stream: Any) -> None:
    """Store every reading of every frame, those that came late included."""
    await _archive(stream, frame_rows)


@app.agent(app.source(topology.late), name="archive_late")
async def late(stream: Any) -> None:
    """Note which readings came late, and by how much."""
    await _archive(stream, _event_rows(tables.LATE_READINGS, rows.late_rows))


@app.agent(app.source(topology.windows), name="archive_windows")
async def windows(stream: Any) -> None:
    """Store closed windows."""
    await _archive(stream, _event_rows(tables.WINDOWS, rows.window_rows))


@app.agent(app.source(topology.maxima), name="archive_maxima")
async def maxima(stream: Any) -> None:
    """Store the fleet's maximum of each epoch."""
    await _archive(stream, _event_rows(tables.MAX_VOLTAGE, rows.maximum_row))


@app.agent(app.source(topology.predictions), name="archive_predictions")
async def predictions(stream: Any) -> None:
    """Store predictions."""
    await _archive(stream, _event_rows(tables.PREDICTIONS, rows.prediction_rows))


@app.agent(app.source(topology.alerts), name="archive_alerts")
async def alerts(stream: Any) -> None:
    """Store alerts: what happens to one is added to its row."""
    await _archive(stream, _event_rows(tables.VOLTAGE_ALERTS, rows.alert_row))


@app.agent(app.source(topology.weather), name="archive_weather")
async def weather(stream: Any) -> None:
    """Store temperatures and forecasts; each partition brings the same ones."""
    await _archive(stream, weather_rows)


@app.agent(app.source(topology.model_versions), name="archive_models")
async def models(stream: Any) -> None:
    """Store versions of the models."""
    await _archive(stream, version_rows)


def frame_rows(value: bytes | None) -> Sequence[tuple[Table, Rows]]:
    """Return a frame's readings as rows."""
    readings = decode_frame(value, extra=True).readings
    return [(tables.RAW_DATA, rows.raw_rows(readings))]


def version_rows(value: bytes | None) -> Sequence[tuple[Table, Rows]]:
    """Return a part of a version; the first one is its place in the list, too."""
    event = decode_event(value)
    found = [(tables.MODEL_PARTS, rows.model_part_row(event))]
    if event["part"] == 0:
        found.append((tables.MODELS, rows.model_row(event)))
    return found


def weather_rows(value: bytes | None) -> Sequence[tuple[Table, Rows]]:
    """Return a temperature or a forecast as a row of its table."""
    event = decode_event(value)
    forecast = event.get("kind") == "forecast"
    table = tables.TEMPERATURE_FORECAST if forecast else tables.TEMPERATURE
    return [(table, rows.weather_row(event))]


def _event_rows(table: Table, convert: Callable[[Any], Rows]) -> Convert:
    return lambda value: [(table, convert(decode_event(value)))]


async def _archive(stream: Any, convert: Convert) -> None:
    """Take a stream's events in groups, each stored before it counts as done."""
    archive = app.smartmeter.archive
    within = archive.group_milliseconds_max / 1_000
    async for events in stream.noack_take(archive.group_frames_max, within):
        async with app.group(events) as admitted:
            started = time.monotonic()
            for table, parts in (await _converted(admitted, convert)).items():
                await _store(table, rows.concatenate(parts))
            metrics.group_written(time.monotonic() - started)


async def _converted(
    events: Sequence[Any], convert: Convert
) -> dict[Table, list[Rows]]:
    """Return the rows of events by table; what is no use goes to the dead letters."""
    parts: dict[Table, list[Rows]] = {}
    useless: list[DeadLetter] = []
    for event in events:
        message = event.message
        try:
            try:
                converted = convert(message.value)
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise RejectedMessage(Reason.JSON, f"not a row: {error!r}") from None
        except RejectedMessage as error:
            metrics.record_rejected(error.reason)
            useless.append(_record_letter(message, error))
        else:
            for table, found in converted:
                parts.setdefault(table, []).append(found)
    await _bury(useless)
    return parts


def _record_letter(message: Any, error: RejectedMessage) -> DeadLetter:
    return DeadLetter(
        reason=error.reason,
        detail=error.detail,
        subject=f"{message.topic}/{message.partition}",
        stream="kafka",
        sequence=message.offset,
        arrival=message.timestamp,
        payload=message.value or b"",
    )


async def _store(table: Table, columns: Rows) -> None:
    refused = await app.store(table, columns)
    metrics.rows_written(table.name, rows.length(columns) - len(refused))
    if refused:
        metrics.rows_refused(table.name, len(refused))
        await _bury(row_letter(table, columns, row) for row in refused)


def row_letter(table: Table, columns: Rows, refused: RefusedRow) -> DeadLetter:
    """Return a refused row as a dead letter: its columns as JSON."""
    row = {name: columns[name][refused.row] for name in columns}
    return DeadLetter(
        reason=Reason.ROW_REFUSED,
        detail=refused.detail,
        subject=f"{topology.keyspace}.{table.name}",
        stream="cassandra",
        sequence=refused.row,
        arrival=datetime.now(UTC).timestamp(),
        payload=orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY),
    )


async def _bury(letters: Iterable[DeadLetter]) -> None:
    topic = topology.dead_letters
    await app.publish((topic, 0, encode_dead_letter(letter)) for letter in letters)
