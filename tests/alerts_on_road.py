"""Alerts of a road, as anybody could ask for them, beside the oracle's."""

import http.client
import json

from app import settings
from tests.alert_oracle import Limits, excursions

TOKEN = "a-token-to-operate-with"  # noqa: S105 - of a test
CLEAR_WINDOWS, OVER_MIN = 1, 3


def alert_environ():
    """Return the settings of alerts, and of who may acknowledge them."""
    return {
        settings.variable("worker", "operator_token"): TOKEN,
        settings.variable("alerts", "readings_over_min"): str(OVER_MIN),
        settings.variable("alerts", "clear_windows"): str(CLEAR_WINDOWS),
    }


def expected_alerts(oracle):
    """Return what the oracle's windows must raise and clear."""
    names = ("minimum", "maximum", "mean", "over")
    windows = [
        dict(zip(("start", "line", "transformer"), key, strict=True))
        | {name: getattr(window, name) for name in names}
        for key, window in oracle.windows.items()
    ]
    limits = Limits(
        size=oracle.size,
        threshold=oracle.threshold,
        low=float("-inf"),
        high=oracle.threshold,
        by_mean=False,
        over_min=OVER_MIN,
        clear_windows=CLEAR_WINDOWS,
        margin=0.5,
    )
    return excursions(windows, limits)


def told_alerts(road):
    """Return the events in Kafka by alert and kind; repeated ones must be equal."""
    events = {}
    for _, _, fields in road.records(road.topology.alerts.name):
        key = fields["alert"], fields["event"]
        assert events.setdefault(key, fields) == fields
    return events


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
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    path = f"/api/v1/alerts/{alert}/acknowledge"
    connection.request("POST", path, headers={"Authorization": f"Bearer {TOKEN}"})
    answer = connection.getresponse()
    assert alert == json.loads(answer.read())["alert"]["alert"]
    connection.close()
    return answer.status
