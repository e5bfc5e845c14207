"""What `smartmeter models` reads, tells and sends."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer

from app import connections
from app.cli.group import Groups
from app.errors import RejectedState, SettingsError
from app.predictor import features, versions
from app.predictor.rules import Rules, rules_of
from app.predictor.state import State, column
from app.predictor.state import read as value_of
from app.sinks.versions import StoredVersion, Versions
from app.topology import Topology
from app.wire.models import names

__all__ = [
    "COLUMNS",
    "WAIT_SECONDS_MAX",
    "as_object",
    "cell",
    "facts",
    "heaviest",
    "lane_of_name",
    "moment",
    "moved",
    "names_of",
    "order",
    "read",
    "row",
    "rules_for",
    "verdict",
]

COLUMNS = (
    "name",
    "version",
    "learnt until",
    "labels",
    "right, %",
    "same as now, %",
    "log-loss",
    "champion",
)
WEIGHTS_SHOWN = 12
WAIT_SECONDS_MAX = 30.0
LOOK_SECONDS = 0.5


def names_of(topology: Topology) -> list[str]:
    """Return what all models are called."""
    return [*names(topology.lanes, topology.settings.forecast.horizons)]


def lane_of_name(topology: Topology, name: str) -> int:
    """Return the lane in which models live.

    Raises:
        SettingsError: No models are called so.
    """
    known = names(topology.lanes, topology.settings.forecast.horizons)
    if name not in known:
        raise SettingsError(
            f"no models are called {name}: there are {', '.join(known)}"
        )
    return known[name]


def read(topology: Topology, name: str, number: int) -> tuple[StoredVersion, State]:
    """Return a version and its state.

    Raises:
        SettingsError: No models are called so.
        RejectedQuery: There is no such version, or not all of it.
    """
    lane_of_name(topology, name)
    with Versions(topology.settings.archive, topology.keyspace) as stored:
        version = stored.find(name, number)
        state: State = orjson.loads(stored.state(version))
    return version, state


# Telling ---------------------------------------------------------------------------


def moment(seconds: int) -> str:
    """Return a moment in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def row(version: StoredVersion) -> tuple[Any, ...]:
    """Return the values of COLUMNS."""
    week = version.summary["week"]
    return (
        version.name,
        version.number,
        moment(version.number),
        version.summary["labels"],
        _percent(week["accuracy"]),
        _percent(week["same_as_now"]),
        cell(week["log_loss"]),
        version.summary["champion"],
    )


def as_object(version: StoredVersion) -> dict[str, Any]:
    """Return the same as a JSON object."""
    return {
        "name": version.name,
        "version": version.number,
        "made": version.made,
        **version.summary,
    }


def facts(version: StoredVersion, state: State) -> dict[str, Any]:
    """Return what is to be said of a version, by labels for people."""
    week = version.summary["week"]
    level = value_of(state, "level")
    rules = value_of(state, "rules")
    return {
        "name": version.name,
        "version": version.number,
        "learnt until (UTC)": moment(version.number),
        "labels learnt": version.summary["labels"],
        "windows learnt": version.summary["windows"],
        "transformers": version.summary["transformers"],
        "champion": version.summary["champion"],
        "right in that week, %": _percent(week["accuracy"]),
        "same as now, %": _percent(week["same_as_now"]),
        "log-loss": week["log_loss"],
        "calibration error, %": _percent(week["calibration_error"]),
        "ROC area": week["roc_auc"],
        "noise, volts": float(level["noise"]) ** 0.5,
        "threshold, volts": rules["threshold"],
        "hours ahead": rules["lead"] / 3_600,
        "window, seconds": rules["size"],
        "features": value_of(state, "features"),
    }


def rules_for(topology: Topology, name: str) -> Rules:
    """Return what models of a name foresee."""
    horizons = topology.settings.forecast.horizons
    further = (hours for hours in horizons[1:] if name.endswith(f"-{hours}h"))
    return rules_of(topology.settings, next(further, horizons[0]))


def verdict(topology: Topology, name: str, state: State) -> str:
    """Return whether a version could be gone back to, or why not."""
    try:
        versions.check(state, rules_for(topology, name))
    except RejectedState as error:
        return f"no: {error}"
    return "yes"


def heaviest(state: State) -> list[tuple[str, float]]:
    """Return the largest weights of the regression in volts, largest first."""
    return _largest(dict(zip(features.NAMES, _weights(state), strict=False)))


def moved(one: State, other: State) -> list[tuple[str, float]]:
    """Return by how many volts weights differ, those that moved most first."""
    moves = zip(_weights(one), _weights(other), strict=False)
    return _largest(
        {
            name: after - before
            for name, (before, after) in zip(features.NAMES, moves, strict=False)
        }
    )


def cell(value: Any) -> str:
    """Return a value for a person."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _weights(state: State) -> list[float]:
    if value_of(state, "features") != features.FINGERPRINT:
        return []  # their names are not known here
    weights: list[float] = column(value_of(state, "level"), "weights").tolist()
    return weights


def _largest(weights: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(weights.items(), key=lambda each: -abs(each[1]))[:WEIGHTS_SHOWN]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"


# Sending ---------------------------------------------------------------------------


async def order(topology: Topology, lane: int, command: bytes) -> bool:
    """Write a command; return whether the lane's worker has read it, after a while.

    Raises:
        KafkaUnavailable, KafkaError: It may not be written.
    """
    await connections.knock_at_kafka(topology.settings)
    topic = topology.model_commands
    producer = AIOKafkaProducer(
        **connections.kafka_options(topology.settings),
        enable_idempotence=True,
        max_request_size=topic.message_bytes_max,
    )
    await producer.start()
    try:
        sent = await producer.send_and_wait(topic.name, command, partition=lane)
    finally:
        await producer.stop()
    until = time.monotonic() + WAIT_SECONDS_MAX
    async with Groups(topology) as groups:
        while time.monotonic() < until:
            committed = await groups.committed(topology.live_group)
            if committed.get((topic.name, lane), -1) > sent.offset:
                return True
            await asyncio.sleep(LOOK_SECONDS)
    return False
