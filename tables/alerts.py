"""The alerts of each lane, as a journaled table.

A delta holds the alerts as they were afterwards, and the last window that was taken:
reading it back judges nothing, so other settings than those of then change nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from itertools import islice
from typing import Any

from app.domain.alert_rules import Rules, Side
from app.domain.alerts import Alert, LaneAlerts
from app.settings import Settings
from app.worker import SmartMeter, app
from tables.journal import Body
from tables.table import JournaledTable

__all__ = ["AlertsState", "alerts", "open_alerts", "rules_of"]

SNAPSHOT_ALERTS_MAX = 10_000  # some 2 MB as JSON, below the topic's 4 MiB
FIELDS = [field.name for field in fields(Alert)]


class AlertsState(LaneAlerts):
    """A lane's alerts that can be written to a journal and read back."""

    def delta_body(self) -> Body:
        """Return what has changed since the last delta."""
        return self._body(self.changes())

    def apply_body(self, body: Body) -> None:
        """Take alerts as they were after a delta."""
        self.restore([_alert(row) for row in body["alerts"]])
        start, key = body["position"]
        self.position = int(start), int(key)

    def snapshot_bodies(self) -> Iterable[Body]:
        """Return all alerts, in parts of bounded size."""
        alerts = iter(self)
        yield self._body(list(islice(alerts, SNAPSHOT_ALERTS_MAX)))
        while part := list(islice(alerts, SNAPSHOT_ALERTS_MAX)):
            yield self._body(part)

    def restore_bodies(self, bodies: list[Body]) -> None:
        """Become the state that the parts of a snapshot describe."""
        for body in bodies:
            self.apply_body(body)

    def _body(self, changed: Sequence[Alert]) -> Body:
        return {
            "position": self.position,
            "alerts": [astuple(alert) for alert in changed],
        }


def _alert(row: Sequence[Any]) -> Alert:
    values = dict(zip(FIELDS, row, strict=False))
    return Alert(**values | {"side": Side(values["side"])})


def rules_of(settings: Settings) -> Rules:
    """Return when alerts are raised and cleared, by the settings."""
    windows, alerts = settings.windows, settings.alerts
    return Rules(
        size=windows.size_seconds,
        threshold=windows.threshold_volts,
        profile=windows.profile,
        readings_over_min=alerts.readings_over_min,
        clear_windows=alerts.clear_windows,
        clear_margin=alerts.clear_margin_volts,
    )


def open_alerts(stage: SmartMeter) -> JournaledTable[AlertsState]:
    """Return the table of a stage's alerts."""
    rules = rules_of(stage.smartmeter)
    return JournaledTable(
        stage,
        journal=stage.topology.alerts_journal,
        sources=[stage.topology.windows, stage.topology.alert_commands],
        new_state=lambda: AlertsState(rules),
        help="Open alerts of each lane, and those that were cleared last.",
    )


alerts = open_alerts(app)
