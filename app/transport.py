"""Faust's way to Kafka, with a fetch that does not wait long for nothing.

Faust asks the broker to hold a fetch for up to 1.5 s while none of its partitions has
anything. A partition whose records are still to be taken is not part of a fetch, and
there is one fetch at a time: when all readings' partitions are left out, the busy ones
wait for the idle ones. Measured on a filled topic: one fetch in eight took 1.5 s, and
the worker spent 60 % of its time on nothing.

And a fetch is not to outlive what it was made for. Faust hands its own set of
partitions to aiokafka, to which an empty set means all, and empties it when lanes
change hands, while a fetch may still be under way: that one brought records of any
partition, from before the seeks of the recovery. Of readings, offset 40 came, and 35
never did; of a journal, what was thrown away was waited for until a restart.
"""

from typing import Any

from aiokafka import AIOKafkaConsumer
from faust.auth import SASLCredentials, SSLCredentials
from faust.transport.drivers import aiokafka
from faust.types import TP

from app import connections
from app.settings import Settings

__all__ = ["Transport", "credentials"]

FETCH_WAIT_MILLISECONDS_MAX = 50
TAKE_SECONDS_MAX = 0.1


class _Thread(aiokafka.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust hands a number of its own to the constructor; it is read at the start.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MILLISECONDS_MAX  # noqa: SLF001
        return consumer

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - Faust calls it so
        max_records: int | None = None,
    ) -> Any:
        asked, generation = set(active_partitions), self.app.consumer_generation_id
        if not asked:
            return {}
        records = await super()._fetch_records(consumer, asked, timeout, max_records)
        if self.consumer.flow_active and generation == self.app.consumer_generation_id:
            return records
        for place, taken in records.items():
            _put_back(consumer, place, taken[0].offset, taken[-1].offset)
        return {}


def _put_back(consumer: AIOKafkaConsumer, place: Any, first: int, last: int) -> None:
    """Let records come again, unless somebody has said since where to go on."""
    if place not in consumer.assignment():
        return
    # There is no public way that does not wait.
    assignment = consumer._subscription.subscription.assignment  # noqa: SLF001
    state = assignment.state_value(place)
    if state.has_valid_position and state.position == last + 1:
        consumer.seek(place, first)


class _Consumer(aiokafka.Consumer):
    async def _wait_next_records(
        self,
        timeout: float,  # noqa: ASYNC109 - Faust calls it so
    ) -> Any:
        # It waits for the partitions that had room when it began, 1 s if they bring
        # nothing; meanwhile others may have got room.
        return await super()._wait_next_records(min(timeout, TAKE_SECONDS_MAX))

    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)


class Transport(aiokafka.Transport):
    """Faust's transport over aiokafka, whose consumer's fetches are short."""

    Consumer = _Consumer


# mode would log each start and stop of a service under this module's name.
for _service in (_Thread, _Consumer):
    _service.logger = aiokafka.Consumer.logger


def credentials(values: Settings) -> Any:
    """Return who we are to Kafka in Faust's own terms; None where nobody asks."""
    options = connections.kafka_options(values)
    encryption = options.get("ssl_context")
    if options.get("sasl_mechanism"):
        return SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=options["sasl_mechanism"],
            ssl_context=encryption,
        )
    return SSLCredentials(encryption) if encryption else None
