"""Rates and lags are those of the last seconds; a stall is told, and nothing else."""

import math

import pytest
from aiokafka.errors import KafkaConnectionError

from app.views.sampling import Sampler
from app.views.worker import Phase
from tests.fake_worker import FIRST_START, FakeWorker, windows_of

LIMIT = 120


@pytest.fixture
def fake():
    return FakeWorker(owned=[0, 1])


@pytest.fixture
def now():
    return [1_000.0]


@pytest.fixture
def sampler(fake, now):
    return Sampler(fake.worker, clock=lambda: now[0])


def read(fake, lane, count):
    row = (11, 1, count, 110.0, 111.0, 112.0, 1, 0)
    fake.add(lane, windows_of(FIRST_START, row), watermark=FIRST_START)


def test_a_rate_is_not_known_before_the_second_sample(sampler, fake):
    sampler.sample(fake.ends)
    assert sampler.rate(0) is None


def test_a_rate_is_that_of_the_last_five_seconds(sampler, fake, now):
    for number in range(20):
        sampler.sample(fake.ends)
        now[0] += 1
        read(fake, 0, 1_000 if number < 10 else 50)
    assert 50 == sampler.rate(0)
    assert 0 == sampler.rate(1)


def test_a_lag_is_what_the_state_does_not_include(sampler, fake):
    fake.offsets = {0: 99, 1: -1}
    sampler.sample({0: 107, 1: 3})
    assert (7, 3) == (sampler.lag(0), sampler.lag(1))


def test_a_lag_is_not_known_while_kafka_is_away(sampler, fake):
    sampler.sample({})
    assert sampler.lag(0) is None
    assert math.isnan(sampler.figures()[0].lag)


async def test_sampling_goes_on_while_kafka_is_away(sampler, fake):
    fake.failures = [KafkaConnectionError()]
    assert await sampler.step() > 0
    assert sampler.lag(0) is None


def test_a_lane_that_left_is_forgotten(sampler, fake):
    sampler.sample(fake.ends)
    del fake.states[1]
    sampler.sample(fake.ends)
    assert sampler.lag(1) is None
    assert [0] == [lane.partition for lane in sampler.figures()]


def test_a_worker_with_lag_and_no_progress_is_stalled(sampler, fake, now):
    sampler.sample({0: 200, 1: 100})
    now[0] += LIMIT - 1
    sampler.sample({0: 200, 1: 100})
    assert "" == sampler.stall()
    now[0] += 1
    sampler.sample({0: 250, 1: 100})
    assert "lane 0: 150 frames behind, no progress for 120 s" == sampler.stall()


def test_a_lane_that_was_idle_is_not_stalled_by_its_first_frame(sampler, fake, now):
    sampler.sample(fake.ends)
    now[0] += 10 * LIMIT
    sampler.sample(fake.ends)
    now[0] += 1
    sampler.sample({0: 101, 1: 100})
    assert 1 == sampler.lag(0)
    assert "" == sampler.stall()


def test_progress_ends_a_stall(sampler, fake, now):
    sampler.sample({0: 200})
    now[0] += LIMIT
    fake.offsets[0] += 1
    sampler.sample({0: 200})
    assert "" == sampler.stall()


def test_no_stall_is_told_while_the_lag_is_not_known(sampler, fake, now):
    sampler.sample({0: 200})
    now[0] += LIMIT
    sampler.sample({})
    assert "" == sampler.stall()


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.REBALANCING, Phase.RECOVERING])
def test_a_recovery_may_last_as_long_as_it_makes_progress(sampler, fake, now, phase):
    fake.phase = phase
    fake.states = {}
    for _ in range(5):
        sampler.sample({})
        now[0] += LIMIT - 1
        fake.replayed += 1
    sampler.sample({})
    assert "" == sampler.stall()
    now[0] += LIMIT
    sampler.sample({})
    assert f"{phase} for 120 s, no progress" == sampler.stall()


def test_figures_are_those_of_the_state(sampler, fake):
    read(fake, 0, 7)
    sampler.sample({0: 104, 1: 100})
    first, second = sampler.figures()
    assert (0, 7, 0, 0, 1, FIRST_START, 4) == first
    assert math.isnan(second.watermark)
