"""Temperatures and forecasts to every partition; what no lane can take, to the dead."""

import asyncio
from collections import Counter, OrderedDict

from app.errors import RejectedMessage
from app.metrics import bridge as metrics
from app.topology import Topology
from app.wire.events import encode_dead_letter, encode_event
from app.wire.limits import Limits
from app.wire.raw import RawColumns, RawMessage, Rejected
from app.wire.weather import Weather, decode_weather
from bridge import stream
from bridge.framing import dead_letter
from bridge.kafka import Kafka, Value
from bridge.link import Link
from bridge.pull import Pull

__all__ = ["WeatherToKafka"]

MESSAGES_MAX = 200
FIRST_WAIT_SECONDS = 0.5
REMEMBERED_MAX = 10_000


class WeatherToKafka:
    """The part of the stream that is no lane: subjects which the transform left alone.

    Written at least once: after a crash twice, where the stream sequence tells.
    """

    def __init__(self, *, topology: Topology, link: Link, kafka: Kafka) -> None:
        self._topology = topology
        self._link = link
        self._kafka = kafka
        self._limits = Limits.from_settings(topology.settings)
        self._pull: Pull | None = None
        self._carried: OrderedDict[int, None] = OrderedDict()

    @property
    def is_reading(self) -> bool:
        """Whether the reading has begun and not broken off."""
        return self._pull is not None

    async def run(self, stopping: asyncio.Event) -> None:
        """Carry weather until stopping is set.

        Raises:
            SmartMeterError, KafkaError, nats.errors.Error, TimeoutError: Begin anew.
        """
        info = await stream.ensure_others_consumer(
            self._link.jetstream(), self._topology, ack_pending_max=4 * MESSAGES_MAX
        )
        try:
            async with Pull(
                self._link, info, ahead=2 * MESSAGES_MAX, ordered=False
            ) as self._pull:
                while not stopping.is_set():
                    messages, replies = await self._pull.take(
                        MESSAGES_MAX,
                        first_seconds=FIRST_WAIT_SECONDS,
                        more_seconds=0.0,
                    )
                    if replies:
                        await self._carry(messages)
                        for reply in replies:
                            await self._link.publish(reply.decode(), b"+ACK")
        finally:
            self._pull = None

    async def _carry(self, messages: RawColumns) -> None:
        values: list[Value] = []
        reasons: Counter[str] = Counter()
        count = 0
        for index in range(len(messages)):
            message = messages[index]
            if message.sequence in self._carried:
                continue  # sent again, because the acknowledgement took too long
            try:
                weather = decode_weather(
                    message, self._topology.weather_subject, self._limits
                )
            except RejectedMessage as error:
                reasons[error.reason.value] += 1
                values.append(self._dead(message, error))
            else:
                count += 1
                values += self._everywhere(weather)
        await self._kafka.send(values)
        for sequence in messages.sequence.tolist():
            self._carried[sequence] = None
        while len(self._carried) > REMEMBERED_MAX:
            self._carried.popitem(last=False)
        metrics.dead_letters_written(reasons)
        metrics.weather_written(count)

    def _dead(self, message: RawMessage, error: RejectedMessage) -> Value:
        rejected = Rejected(message, error.reason, error.detail)
        letter = encode_dead_letter(dead_letter(rejected, self._topology.stream))
        return self._topology.dead_letters, 0, letter

    def _everywhere(self, weather: Weather) -> list[Value]:
        value = encode_event(
            {
                "kind": weather.kind,
                "epoch": weather.epoch,
                "celsius": weather.celsius,
                "hours": weather.hours,
                "sequence": weather.sequence,
            }
        )
        topic = self._topology.weather
        return [(topic, lane, value) for lane in range(topic.partitions)]
