"""Results from Kafka back to NATS, on the seed's subjects and in the seed's JSON.

At least once from Kafka; JetStream drops what carries a message id that it has seen in
the last two minutes.
"""

import asyncio
import logging
from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer
from nats.js.api import StreamConfig
from nats.js.errors import NotFoundError

from app import connections
from app.errors import RejectedMessage
from app.metrics import bridge as metrics
from app.topology import Topology
from app.wire.alerts import alert_identity, encode_alert
from app.wire.events import (
    decode_event,
    encode_maximum,
    encode_prediction,
    encode_temperature,
)
from bridge.link import Link

__all__ = ["KafkaToNats", "Outgoing", "ensure_results_stream", "outgoing"]

RECORDS_MAX = 500
WAIT_MILLISECONDS = 500
ACK_TIMEOUT_SECONDS = 10.0
KEPT_SECONDS = 86_400
KEPT_BYTES_MAX = 256 << 20

logger = logging.getLogger(__name__)


class Outgoing(NamedTuple):
    """A message for NATS; identity is the same for equal results."""

    kind: str
    subject: str
    payload: bytes
    identity: str


def outgoing(
    topology: Topology, topic: str, partition: int, fields: dict[str, Any]
) -> Iterator[Outgoing]:
    """Yield what an event of a topic says to the seed's subscribers."""
    if topic == topology.maxima.name:
        epoch = fields["epoch"]
        payload = encode_maximum(epoch, fields["voltage"])
        yield Outgoing("maximum", topology.maxima_subject, payload, f"max-{epoch}")
    elif topic == topology.weather.name:
        # Every partition holds all weather: one of them speaks.
        if partition == 0 and fields["kind"] == "temperature":
            epoch = fields["epoch"]
            payload = encode_temperature(epoch, fields["celsius"])
            identity = f"temperature-{epoch}-{fields['sequence']}"
            yield Outgoing(
                "temperature", topology.temperature_subject, payload, identity
            )
    elif topic == topology.predictions.name:
        hours = fields["hours"]
        positive = {
            e for e, a in zip(fields["epoch"], fields["alert"], strict=True) if a
        }
        for epoch in sorted(positive):
            yield Outgoing(
                "prediction",
                f"{topology.prediction_subject}.{hours}",
                encode_prediction(epoch, fields["temperature"], fields["threshold"]),
                f"prediction-{hours}-{epoch}",
            )
    elif topic == topology.alerts.name:
        key = (fields["line"], fields["transformer"], fields["usagepoint"])
        subject = ".".join((topology.alert_subject, *map(str, key)))
        yield Outgoing("alert", subject, encode_alert(fields), alert_identity(fields))


async def ensure_results_stream(link: Link, topology: Topology) -> None:
    """Create the stream that keeps results for a day, or update its limits."""
    jetstream = link.jetstream()
    config = StreamConfig(
        name=topology.results_stream,
        subjects=topology.results_subjects,
        max_age=KEPT_SECONDS,
        max_bytes=KEPT_BYTES_MAX,
        duplicate_window=120,
        num_replicas=topology.settings.nats.replicas,
    )
    try:
        await jetstream.stream_info(topology.results_stream)
    except NotFoundError:
        await jetstream.add_stream(config)
    else:
        await jetstream.update_stream(config)


class KafkaToNats:
    """The way back; several bridges share it as one consumer group."""

    def __init__(self, *, topology: Topology, link: Link) -> None:
        self._topology = topology
        self._link = link
        self.is_reading = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Publish results until stopping is set.

        Raises:
            KafkaError, nats.errors.Error: Begin anew after the last commit.
        """
        topology = self._topology
        consumer = AIOKafkaConsumer(
            topology.maxima.name,
            topology.weather.name,
            topology.predictions.name,
            topology.alerts.name,
            **connections.kafka_options(topology.settings),
            group_id=topology.results_group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        try:
            await consumer.start()
            self.is_reading = True
            while not stopping.is_set():
                records = await consumer.getmany(
                    timeout_ms=WAIT_MILLISECONDS, max_records=RECORDS_MAX
                )
                if records:
                    await self._publish([*chain.from_iterable(records.values())])
                    await consumer.commit()
        finally:
            self.is_reading = False
            await consumer.stop()

    async def _publish(self, records: list[Any]) -> None:
        messages: list[Outgoing] = []
        for record in records:
            try:
                fields = decode_event(record.value)
                messages += outgoing(
                    self._topology, record.topic, record.partition, fields
                )
            except (RejectedMessage, KeyError, TypeError, ValueError) as error:
                # Written by another build: nothing of ours to send on.
                logger.warning("%s %s: %s", record.topic, record.offset, error)
        jetstream = self._link.jetstream(timeout=ACK_TIMEOUT_SECONDS)
        async with asyncio.TaskGroup() as group:
            for message in messages:
                publication = jetstream.publish(
                    message.subject,
                    message.payload,
                    headers={"Nats-Msg-Id": message.identity},
                )
                group.create_task(publication)
        for message in messages:
            metrics.results_published(message.kind, 1)
