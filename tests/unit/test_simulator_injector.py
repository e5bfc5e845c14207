import asyncio
import time
from contextlib import suppress

import pytest
from prometheus_client import REGISTRY

from app.simulator import injector as module
from app.simulator.clock import EPOCH_SECONDS, SimulatedClock
from app.simulator.fleet import Message
from app.simulator.injector import Injector
from app.simulator.publisher import Tally

START = 1_637_539_200


class FakeFleet:
    """Three meters whose messages tell their epoch."""

    def __len__(self):
        return 3

    def cycle(self, epoch):
        weather = Message("raw.temperature", str(epoch).encode(), is_reading=False)
        return [weather, *[Message("raw.data", str(epoch).encode())] * 3]


class FakePublisher:
    """Acknowledges at once, or after a delay."""

    def __init__(self, delay_seconds=0.0, missing=0):
        self.tally = Tally()
        self.trouble = ""
        self.sent = []
        self.delays = [delay_seconds]
        self.missing = missing
        self.stopped = False

    def __len__(self):
        return 0

    def stop(self):
        self.stopped = True

    async def publish(self, messages):
        if self.delays:
            await asyncio.sleep(self.delays.pop())
        self.sent += [int(message.payload) for message in messages]
        self.tally.readings += sum(message.is_reading for message in messages)
        self.tally.weather += sum(not message.is_reading for message in messages)
        return len(messages)

    async def drain(self, seconds_max):
        assert seconds_max <= 10
        return self.missing


def an_injector(publisher, *, period=0.0, root=None, cycles=None, kept=None):
    async def keep(epoch):
        if kept is not None:
            kept.append(epoch)

    clock = SimulatedClock(
        root=time.time() if root is None else root, start=START, period_seconds=period
    )
    return Injector(
        FakeFleet(), publisher, clock, slot=7, cycles_max=cycles, keep_epoch=keep
    )


def ignore(_):
    pass


@pytest.mark.parametrize("period", [0.0, 0.02])
async def test_each_cycle_has_the_next_epoch_and_is_published_whole(period):
    publisher, kept = FakePublisher(), []
    injector = an_injector(publisher, period=period, cycles=5, kept=kept)
    summary = await injector.run(ignore)
    epochs = [START + EPOCH_SECONDS * n for n in range(5)]
    assert [epoch for epoch in epochs for _ in range(4)] == publisher.sent
    assert (15, 5, 5, 0) == (
        summary.published,
        summary.weather,
        summary.cycles,
        summary.skipped,
    )
    assert (epochs[0], epochs[-1]) == (summary.first_epoch, summary.last_epoch)
    assert epochs[-1:] == kept


async def test_time_missed_in_a_pause_is_caught_up():
    publisher = FakePublisher(delay_seconds=0.3)
    summary = await an_injector(publisher, period=0.05, cycles=10).run(ignore)
    assert sorted(publisher.sent) == publisher.sent
    assert (40, 0) == (len(publisher.sent), summary.skipped)


async def test_cycles_too_far_behind_are_skipped_and_counted(monkeypatch):
    monkeypatch.setattr(module, "CATCH_UP_SECONDS", 0.1)
    publisher = FakePublisher(delay_seconds=0.5)
    summary = await an_injector(publisher, period=0.05, cycles=4).run(ignore)
    assert summary.skipped > 0
    lived = 1 + (summary.last_epoch - START) // EPOCH_SECONDS
    assert lived == summary.cycles + summary.skipped
    assert summary.cycles == len(set(publisher.sent))


async def test_simulator_that_joins_later_publishes_the_present_cycle():
    publisher = FakePublisher()
    root = time.time() - 1_000
    await an_injector(publisher, period=1.0, root=root, cycles=1).run(ignore)
    assert (publisher.sent[0] - START) / EPOCH_SECONDS in {1_000, 1_001}


async def test_stopping_ends_a_cycle_early_and_tells_what_is_missing():
    publisher = FakePublisher(missing=2)
    injector = an_injector(publisher, period=30.0)
    asyncio.get_running_loop().call_later(0.05, injector.stop)
    summary = await asyncio.wait_for(injector.run(ignore), 10)
    assert publisher.stopped
    assert (0, 2) == (summary.cycles, summary.unacknowledged)
    assert len(publisher.sent) < 4


async def test_run_ends_though_the_client_swallows_cancellations(monkeypatch):
    monkeypatch.setattr(module, "EMIT_SECONDS", 0.01)
    injector = an_injector(FakePublisher(), period=0.05, cycles=3)

    async def keep(_):
        with suppress(asyncio.CancelledError):  # as nats-py does while it flushes
            await asyncio.sleep(0.03)

    injector._keep_epoch = keep
    summary = await asyncio.wait_for(injector.run(ignore), 10)
    assert 3 == summary.cycles


async def test_progress_and_metrics_follow_what_was_acknowledged(monkeypatch):
    monkeypatch.setattr(module, "EMIT_SECONDS", 0.02)
    publisher, seen = FakePublisher(), []
    injector = an_injector(publisher, period=0.02, cycles=8)

    def value(name):
        name = f"smartmeter_simulator_{name}"
        return REGISTRY.get_sample_value(name, {"slot": "7"}) or 0

    before = value("readings_published_total"), value("weather_messages_total")
    await injector.run(lambda summary: seen.append(summary.published))
    after = value("readings_published_total"), value("weather_messages_total")
    assert (24, 8) == (after[0] - before[0], after[1] - before[1])
    assert START + 7 * EPOCH_SECONDS == value("epoch_timestamp_seconds")
    assert seen
    assert sorted(seen) == seen


async def test_summary_is_what_the_command_prints():
    injector = an_injector(FakePublisher(), cycles=2)
    fields = (await injector.run(ignore)).as_json()
    assert (6, 3, 7, 0) == tuple(
        fields[name] for name in ("published", "meters", "slot", "unacknowledged")
    )
    assert fields["readings_per_second"] > 0
