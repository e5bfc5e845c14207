"""Alerts of a road, as anybody could ask for them, beside the oracle's."""

import json
from dataclasses import replace

from app import settings
from tests.alert_oracle import Limits, excursions

TOKEN = "a-token-to-operate-with"  # noqa: S105 - of a test


def alert_environ():
    """Return the settings of alerts, and of who may acknowledge them."""
    return {
        settings.variable("worker", "operator_token"): TOKEN,
        settings.variable("alerts", "readings_over_min"): "3",
        settings.variable("alerts", "clear_windows"): "1",
    }


def expected_alerts(road, oracle):
    """Return what the oracle's windows must raise and clear, all of them closed."""
    return excursions(windows_of(oracle), limits_of(road.settings, oracle))


def limits_of(loaded, oracle):
    """Return the limits by the settings, with the seed's standard."""
    return Limits(
        size=oracle.size,
        threshold=oracle.threshold,
        low=float("-inf"),
        high=oracle.threshold,
        by_mean=False,
        over_min=loaded.alerts.readings_over_min,
        clear_windows=loaded.alerts.clear_windows,
        margin=loaded.alerts.clear_margin_volts,
    )


def windows_of(oracle):
    """Return the oracle's windows as the oracle of alerts takes them."""
    names = ("minimum", "maximum", "mean", "over")
    return [
        dict(zip(("start", "line", "transformer"), key, strict=True))
        | {name: getattr(window, name) for name in names}
        for key, window in oracle.windows.items()
    ]


def told_alerts(road):
    """Return the events in Kafka by alert and kind, and which came twice unequal."""
    events, differing = {}, []
    for _, _, fields in road.records(road.topology.alerts.name):
        key = fields["alert"], fields["event"]
        if events.setdefault(key, fields) != fields:
            differing.append(key)
    return events, differing


def excursions_of(events):
    """Return events as the oracle says it."""
    found = {}
    for (name, kind), fields in events.items():
        if kind == "raised":
            key = fields["line"], fields["transformer"], fields["kind"]
            end = events.get((name, "cleared"), {}).get("at")
            found.setdefault(key, []).append((fields["epoch"], end))
    return {key: sorted(runs) for key, runs in found.items()}


def acknowledge(road, worker, alert):
    """Acknowledge an alert as an operator; return the status."""
    port = road.ports[worker]
    pages = replace(road.pages, token=TOKEN)
    path = f"/api/v1/alerts/{alert}/acknowledge"
    status, text = pages.ask(port, path, 30, method="POST")
    assert alert == json.loads(text)["alert"]["alert"]
    return status
