"""Events of the simulator, by slot."""

from prometheus_client import Counter, Gauge

__all__ = [
    "cycles_skipped",
    "epoch_published",
    "messages_in_flight",
    "publish_failed",
    "readings_published",
    "weather_published",
]

_readings = Counter(
    "smartmeter_simulator_readings_published_total",
    "Readings that JetStream acknowledged.",
    ["slot"],
)
_weather = Counter(
    "smartmeter_simulator_weather_messages_total",
    "Temperatures and forecasts that JetStream acknowledged.",
    ["slot"],
)
_errors = Counter(
    "smartmeter_simulator_publish_errors_total",
    "Messages refused or not acknowledged in time; each is sent again.",
    ["slot"],
)
_skipped = Counter(
    "smartmeter_simulator_cycles_skipped_total",
    "Cycles left out because the simulator had fallen too far behind its clock.",
    ["slot"],
)
_in_flight = Gauge(
    "smartmeter_simulator_in_flight_messages",
    "Messages sent and not yet acknowledged.",
    ["slot"],
)
_epoch = Gauge(
    "smartmeter_simulator_epoch_timestamp_seconds",
    "Simulated time of the last cycle published.",
    ["slot"],
)


def readings_published(slot: int, count: int) -> None:
    """Count readings that JetStream acknowledged."""
    _readings.labels(slot).inc(count)


def weather_published(slot: int, count: int) -> None:
    """Count temperatures and forecasts that JetStream acknowledged."""
    _weather.labels(slot).inc(count)


def publish_failed(slot: int, count: int) -> None:
    """Count messages that were refused or not acknowledged in time."""
    _errors.labels(slot).inc(count)


def cycles_skipped(slot: int, count: int) -> None:
    """Count cycles that were left out to catch up with the clock."""
    _skipped.labels(slot).inc(count)


def messages_in_flight(slot: int, count: int) -> None:
    """Show how many messages wait for their acknowledgement."""
    _in_flight.labels(slot).set(count)


def epoch_published(slot: int, epoch: int) -> None:
    """Show the simulated time of the last cycle published."""
    _epoch.labels(slot).set(epoch)
