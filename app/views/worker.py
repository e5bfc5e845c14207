"""A worker as the views see it: callables, so that a test can be one."""

from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Collection,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from app.domain.alerts import LaneAlerts
from app.domain.standards import Profile
from app.domain.windows import WindowRows
from app.predictor.online import Forecaster
from app.settings import Settings
from app.sinks.versions import StoredVersion
from tables.maxima import LaneState
from tables.models import ModelsState

__all__ = ["LastWindows", "Phase", "Positions", "Worker"]

LastWindows = Callable[[int], AsyncGenerator[WindowRows, None]]
"""Yields a lane's published windows record by record, the newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """Offsets in Kafka: ends by (topic, partition), committed by (group, …, …)."""

    ends: Mapping[tuple[str, int], int]
    committed: Mapping[tuple[str, str, int], int]


class Phase(StrEnum):
    """What a worker is busy with."""

    STARTING = (
        "starting"  # it has not been given lanes yet, or the news that it has none
    )
    REBALANCING = "rebalancing"  # lanes change hands
    RECOVERING = "recovering"  # it reads its lanes' journals
    RUNNING = "running"


@dataclass(frozen=True, kw_only=True)
class Worker:
    """What is known of this worker and its neighbours.

    url is where the others reach it; owners says which worker has which lanes, this
    one included; states holds the lanes that are here and complete; offset returns the
    last offset of the readings that a lane's state includes; replayed grows while a
    recovery makes progress; forecasts holds the forecasters of the lanes that are here
    and complete; rebalances counts how often lanes changed hands; alerts holds those of
    the lanes that are here and complete, and command writes a command to a lane's
    alerts. end_offsets, last_windows and positions ask Kafka: for the end of lanes'
    readings, for windows that were published, and for how far every stage has come.
    models holds those of the lanes that are here and complete, order writes a command
    to a lane's models; stored_versions and stored_state ask Cassandra, and block: for
    the newest versions of some names, so many of each, and for all of one version.
    """

    settings: Settings
    url: Callable[[], str]
    owners: Callable[[], Mapping[str, list[int]]]
    states: Callable[[], Mapping[int, LaneState]]
    offset: Callable[[int], int]
    phase: Callable[[], Phase]
    replayed: Callable[[], int]
    forecasts: Callable[[], Mapping[int, Forecaster]]
    end_offsets: Callable[[list[int]], Awaitable[Mapping[int, int]]]
    last_windows: LastWindows
    positions: Callable[[], Awaitable[Positions]]
    rebalances: Callable[[], int]
    alerts: Callable[[], Mapping[int, LaneAlerts]]
    command: Callable[[int, bytes], Awaitable[None]]
    models: Callable[[], Mapping[int, ModelsState]]
    order: Callable[[int, bytes], Awaitable[None]]
    stored_versions: Callable[[Sequence[str], int], list[StoredVersion]]
    stored_state: Callable[[str, int], tuple[StoredVersion, str]]

    @cached_property
    def profile(self) -> Profile:
        """The voltage standard by which windows are judged."""
        return self.settings.windows.profile

    @property
    def lanes(self) -> list[int]:
        """The lanes that the group has given to this worker."""
        return self.owners().get(self.url(), [])

    def states_of(self, lanes: Collection[int]) -> dict[int, LaneState]:
        """Return the states of those of the lanes that are here and complete."""
        return {n: state for n, state in self.states().items() if n in lanes}

    @property
    def trouble(self) -> str:
        """Why this worker cannot answer for its lanes now, in one line; empty: it can.

        A worker without lanes is well: it waits for another one to fail.
        """
        phase = self.phase()
        if phase is not Phase.RUNNING:
            return str(phase)
        missing = sorted(set(self.lanes) - set(self.states()))
        return f"lanes {missing} are not ready" if missing else ""
