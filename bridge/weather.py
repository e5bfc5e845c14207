"""Temperatures and forecasts to every partition; what no lane can take, to the dead."""

import asyncio
from collections import Counter
from typing import Any

from nats.aio.client import Client

from app.errors import RejectedMessage
from app.metrics import bridge as metrics
from app.topology import Topology
from app.wire.events import encode_dead_letter, encode_event
from app.wire.meter import Limits, RawMessage, Rejected
from app.wire.weather import decode_weather
from bridge import stream
from bridge.kafka import Kafka
from bridge.lane import Pull
from bridge.nats_to_kafka import dead_letter

__all__ = ["WeatherToKafka"]

MESSAGES_MAX = 200
FIRST_WAIT_SECONDS = 0.5


class WeatherToKafka:
    """The part of the stream that is no lane: subjects which the transform left alone.

    A message may be written twice after a crash; its stream sequence tells.
    """

    def __init__(self, *, topology: Topology, client: Client, kafka: Kafka) -> None:
        self._topology = topology
        self._client = client
        self._kafka = kafka
        self._limits = Limits.from_settings(topology.settings)
        self._pull: Pull | None = None

    @property
    def is_reading(self) -> bool:
        """Whether the reading has begun and not broken off."""
        return self._pull is not None

    def break_off(self, why: str) -> None:
        """Begin anew at the next step."""
        if self._pull:
            self._pull.break_off(why)

    async def run(self, stopping: asyncio.Event) -> None:
        """Carry weather until stopping is set.

        Raises:
            OrderBroken, KafkaError, nats.errors.Error: The reading must begin anew.
        """
        info = await stream.ensure_others_consumer(
            self._client.jetstream(), self._topology, ack_pending_max=4 * MESSAGES_MAX
        )
        try:
            async with Pull(
                self._client, info, ahead=2 * MESSAGES_MAX, ordered=False
            ) as self._pull:
                while not stopping.is_set():
                    batch, replies = await self._pull.take(
                        MESSAGES_MAX,
                        first_seconds=FIRST_WAIT_SECONDS,
                        more_seconds=0.0,
                    )
                    if batch:
                        await self._carry(batch)
                        for reply in replies:
                            await self._client.publish(reply, b"+ACK")
        finally:
            self._pull = None

    async def _carry(self, batch: list[RawMessage]) -> None:
        topology = self._topology
        writes: list[Any] = []
        reasons: Counter[str] = Counter()
        for message in batch:
            try:
                weather = decode_weather(
                    message, topology.weather_subject, self._limits
                )
            except RejectedMessage as error:
                reasons[error.reason.value] += 1
                rejected = Rejected(message, error.reason, error.detail)
                letter = encode_dead_letter(dead_letter(rejected, topology.stream))
                writes.append(await self._kafka.send(topology.dead_letters, 0, letter))
                continue
            value = encode_event(
                {
                    "kind": weather.kind,
                    "epoch": weather.epoch,
                    "celsius": weather.celsius,
                    "hours": weather.hours,
                    "sequence": weather.sequence,
                }
            )
            writes += [
                await self._kafka.send(topology.weather, lane, value)
                for lane in range(topology.lanes)
            ]
        for write in writes:
            await write
        metrics.dead_letters_written(reasons)
        metrics.weather_written(len(batch) - reasons.total())
