"""Faust's sensor of ours: its rebalances, commits and sends, as events that count."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from faust.sensors import Sensor
from prometheus_client import REGISTRY

from app.metrics import faust as metrics
from app.metrics.faust import FaustFigures

__all__ = ["FaustSensor"]


class FaustSensor(Sensor):
    """Listens to one Faust app while it runs."""

    def __init__(self, app: Any) -> None:
        super().__init__()
        self.app = app
        self._families = metrics.families(self.figures)
        self._are_shown = False

    async def on_start(self) -> None:
        """Show the app's figures from now on."""
        self._families.register()
        self._are_shown = True

    async def on_stop(self) -> None:
        """Show them no more: a test may start another app in this process."""
        if self._are_shown:  # not where the start was given up while Kafka was away
            REGISTRY.unregister(self._families)
            self._are_shown = False

    def figures(self) -> FaustFigures:
        """Return what Faust's own monitor and its assignor say now."""
        monitor = self.app.monitor
        assigned = Counter(tp.topic for tp in self.app.assignor.assigned_actives())
        return FaustFigures(
            received=_by_topic(monitor.messages_received_by_topic),
            sent=_by_topic(monitor.messages_sent_by_topic),
            assigned=assigned,
            send_errors=monitor.send_errors,
            events=monitor.events_total,
            active_events=monitor.events_active,
            is_recovering=bool(self.app.in_recovery),
            is_rebalancing=bool(self.app.rebalancing),
        )

    # What Faust calls ---------------------------------------------------------------

    def on_rebalance_start(self, _app: Any) -> dict[str, float]:
        """Note when it began."""
        metrics.rebalance_started()
        return {"began": time.monotonic()}

    def on_rebalance_end(self, _app: Any, state: dict[str, float]) -> None:
        """Note how long it took; one that another one overtook never ends."""
        metrics.rebalance_ended(time.monotonic() - state["began"])

    def on_assignment_error(
        self, _assignor: Any, _state: Any, _exc: BaseException
    ) -> None:
        """Count it."""
        metrics.assignment_failed()

    def on_commit_initiated(self, _consumer: Any) -> float:
        """Note when it began."""
        return time.monotonic()

    def on_commit_completed(self, _consumer: Any, state: float) -> None:
        """Note how long it took."""
        metrics.commit_completed(time.monotonic() - state)

    def on_send_initiated(
        self, _producer: Any, _topic: str, _message: Any, _key: int, _value: int
    ) -> float:
        """Note when it began."""
        return time.monotonic()

    def on_send_completed(self, _producer: Any, state: float, _metadata: Any) -> None:
        """Note how long it took."""
        metrics.send_completed(time.monotonic() - state)


def _by_topic(counts: Mapping[Any, int]) -> dict[str, int]:
    """Return a copy: the loop that counts is this one, a scrape may be another's."""
    return {str(topic): count for topic, count in list(counts.items())}
