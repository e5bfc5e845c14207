"""The Faust side of the views: what this worker knows, and the place of the site.

Faust finds this module by its name in app/worker.py. Faust's web server starts before
its consumer, so that /live and /ready answer during recovery.
"""

import asyncio
from collections.abc import Mapping, Sequence

from app.domain.alerts import LaneAlerts
from app.metrics.live import register_lanes
from app.predictor.online import Forecaster
from app.sinks.versions import StoredVersion, Versions
from app.views.kafka import Observer
from app.views.site import mount
from app.views.worker import Phase, Worker
from app.worker import app
from tables.alerts import alerts
from tables.maxima import LaneState, maxima
from tables.models import ModelsState, models

__all__ = ["worker"]

topology = app.topology


def url() -> str:
    """Return where other workers reach this one."""
    return str(app.conf.canonical_url).rstrip("/")


def owners() -> Mapping[str, list[int]]:
    """Return the lanes of each worker, as the group's leader gave them out."""
    journal = topology.windows_journal.name
    return {
        str(member).rstrip("/"): sorted(topics.get(journal, ()))
        for member, topics in app.router.tables_metadata().items()
    }


def phase() -> Phase:
    """Return what Faust is busy with."""
    if app.in_recovery:
        return Phase.RECOVERING
    if app.rebalancing:
        return Phase.REBALANCING
    # A worker without lanes, too, is told so, and is ready from then on.
    return Phase.RUNNING if app.tables.actives_ready else Phase.STARTING


def replayed() -> int:
    """Return a number that grows with each journal record read back."""
    return sum(
        journal.offset + 1
        for table in app.tables.values()
        for journal in table.data.journals.values()
    )


def states() -> Mapping[int, LaneState]:
    """Return the lanes that are here and complete."""
    return maxima.states


def offset(lane: int) -> int:
    """Return the last offset of the readings that a lane's state includes."""
    return maxima.offset(lane, topology.readings)


def forecasts() -> Mapping[int, Forecaster]:
    """Return the forecasters of the lanes that are here and complete."""
    return {lane: state.forecaster for lane, state in models.states.items()}


def lane_alerts() -> Mapping[int, LaneAlerts]:
    """Return the alerts of the lanes that are here and complete."""
    return alerts.states


async def command(lane: int, value: bytes) -> None:
    """Write a command to a lane's alerts; return when the broker has it.

    Raises:
        KafkaError, TimeoutError: It may have it, or not.
    """
    async with asyncio.timeout(app.smartmeter.kafka.request_timeout_seconds):
        await app.publish([(topology.alert_commands, lane, value)])


def lane_models() -> Mapping[int, ModelsState]:
    """Return the models of the lanes that are here and complete."""
    return models.states


async def order(lane: int, value: bytes) -> None:
    """Write a command to a lane's models; return when the broker has it.

    Raises:
        KafkaError, TimeoutError: It may have it, or not.
    """
    async with asyncio.timeout(app.smartmeter.kafka.request_timeout_seconds):
        await app.publish([(topology.model_commands, lane, value)])


def stored_versions(names: Sequence[str], limit: int) -> list[StoredVersion]:
    """Return the newest versions of models in Cassandra; blocks.

    Raises:
        SmartMeterError: It is away, or not as it must be.
    """
    with Versions(app.smartmeter.archive, topology.keyspace) as stored:
        return stored.newest(names, limit)


def stored_state(name: str, number: int) -> tuple[StoredVersion, str]:
    """Return a version and its state from Cassandra; blocks.

    Raises:
        SmartMeterError: It is not there, or Cassandra is away.
    """
    with Versions(app.smartmeter.archive, topology.keyspace) as stored:
        version = stored.find(name, number)
        return version, stored.state(version)


observer = Observer(topology)
worker = Worker(
    settings=app.smartmeter,
    url=url,
    owners=owners,
    states=states,
    offset=offset,
    phase=phase,
    replayed=replayed,
    forecasts=forecasts,
    end_offsets=observer.end_offsets,
    last_windows=observer.last_windows,
    positions=observer.positions,
    rebalances=lambda: app.rebalancing_count,
    alerts=lane_alerts,
    command=command,
    models=lane_models,
    order=order,
    stored_versions=stored_versions,
    stored_state=stored_state,
)
register_lanes(mount(app.web.web_app, worker, observer.running).figures)
