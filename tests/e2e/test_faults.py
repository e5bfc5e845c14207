"""Three schedules of kills, pauses, restarts and rebalances, judged row by row."""

import pytest

from tests.faults import run

SECONDS = 25


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", [3, 7, 11])
def test_nothing_is_lost_or_counted_twice_under_faults(
    servers, nats_server, kafka_server, namespace, tmp_path, seed
):
    result = run(servers, tmp_path, namespace, seed, SECONDS, rate=500)
    assert result.is_clean, str(result)
    assert result.windows
    assert result.alerts
    assert result.late
    assert result.dead
