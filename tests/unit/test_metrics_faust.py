"""Faust's own figures reach Prometheus in base units, and go when the app stops."""

from types import SimpleNamespace

import pytest
from faust.sensors import Monitor
from faust.types import TP
from prometheus_client import REGISTRY

from app import sensor as module
from app.sensor import FaustSensor


class FakeApp:
    """As much of an app as the sensor asks for."""

    def __init__(self):
        self.monitor = Monitor()
        self.in_recovery = True
        self.rebalancing = False
        lanes = {TP("smartmeter.readings", 0), TP("smartmeter.readings", 3)}
        self.assignor = SimpleNamespace(assigned_actives=lambda: lanes)


@pytest.fixture
async def app():
    app = FakeApp()
    app.sensor = FaustSensor(app)
    await app.sensor.on_start()
    yield app
    await app.sensor.on_stop()


@pytest.fixture
def clock(monkeypatch):
    """Each look at it comes a quarter of a second after the one before."""
    moments = iter(number / 4 for number in range(100))
    time = SimpleNamespace(monotonic=lambda: next(moments))
    monkeypatch.setattr(module, "time", time)


def value(name, **labels):
    return REGISTRY.get_sample_value(f"smartmeter_faust_{name}", labels)


async def test_monitor_and_assignor_are_read_at_each_scrape(app):
    app.monitor.messages_received_by_topic["smartmeter.readings"] = 7
    app.monitor.messages_sent_by_topic["smartmeter.windows"] = 3
    app.monitor.events_total = 9
    app.monitor.events_active = 2
    app.monitor.send_errors = 1

    assert 7 == value("received_messages_total", topic="smartmeter.readings")
    assert 3 == value("sent_messages_total", topic="smartmeter.windows")
    assert 2 == value("assigned_partitions", topic="smartmeter.readings")
    assert (9, 2, 1) == (
        value("events_total"),
        value("active_events"),
        value("send_errors_total"),
    )
    assert (1, 0) == (value("recovery_active"), value("rebalance_active"))


async def test_latencies_are_seconds(app, clock):
    def totals():
        names = ("rebalance", "commit", "send")
        return [value(f"{name}_seconds_sum") for name in names]

    before, rebalances = totals(), value("rebalances_total")
    app.sensor.on_rebalance_end(app, app.sensor.on_rebalance_start(app))
    app.sensor.on_commit_completed(None, app.sensor.on_commit_initiated(None))
    sent = app.sensor.on_send_initiated(None, "smartmeter.windows", None, 1, 1)
    app.sensor.on_send_completed(None, sent, None)

    assert [0.25] * 3 == [
        now - then for now, then in zip(totals(), before, strict=True)
    ]
    assert 1 == value("rebalances_total") - rebalances
    assert value("last_rebalance_timestamp_seconds") > 0


async def test_failed_assignment_is_counted(app):
    before = value("failed_assignments_total")
    app.sensor.on_assignment_error(None, {}, RuntimeError())
    assert 1 == value("failed_assignments_total") - before


async def test_stopped_app_leaves_no_series_behind(app):
    await app.sensor.on_stop()
    assert value("events_total") is None
    await app.sensor.on_start()
