"""One cycle of the fleet as messages: temperature, forecast, then every reading."""

from typing import NamedTuple

import numpy as np

from app.simulator import weather
from app.simulator.population import Meters
from app.simulator.voltage import Source
from app.wire.meter import encode_readings
from app.wire.weather import encode_weather

__all__ = ["Fleet", "Message"]

FORECAST_SECONDS = weather.FORECAST_HOURS * 3_600


class Message(NamedTuple):
    """What is published; readings and weather are counted apart."""

    subject: str
    payload: bytes
    is_reading: bool = True


class Fleet:
    """Every meter of one slot."""

    def __init__(
        self, base_subject: str, meters: Meters, source: Source, *, seed: int
    ) -> None:
        self._source = source
        self._seed = seed
        self._temperature_subject = f"{base_subject}.temperature"
        self._forecast_subject = f"{base_subject}.forecast.{weather.FORECAST_HOURS}"
        self._subjects = [
            f"{base_subject}.data.{line}.{transformer}.{usagepoint}"
            for line, transformer, usagepoint in zip(
                meters.line.tolist(),
                meters.transformer.tolist(),
                meters.usagepoint.tolist(),
                strict=True,
            )
        ]

    def __len__(self) -> int:
        return len(self._subjects)

    def cycle(self, epoch: int) -> list[Message]:
        """Return the messages of an epoch, in the order of their publication."""
        values = self._source.values(epoch)
        payloads = encode_readings(np.full(len(values), epoch, np.int64), values)
        return [
            self._weather(self._temperature_subject, epoch),
            self._weather(self._forecast_subject, epoch + FORECAST_SECONDS),
            *map(Message, self._subjects, payloads),
        ]

    def _weather(self, subject: str, epoch: int) -> Message:
        celsius = weather.temperature(epoch, self._seed)
        return Message(subject, encode_weather(epoch, celsius), is_reading=False)
