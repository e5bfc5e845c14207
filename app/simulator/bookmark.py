"""How far simulated time has come, kept in NATS for whoever simulates next.

Without it, a simulator that is started again would repeat epochs whose windows have
long closed, and one that is started beside another would live in another time. The
stream cannot tell: the bridge purges what Kafka has.
"""

import logging

import nats.errors
from nats.js.errors import APIError, NoKeysError
from nats.js.kv import KeyValue

from app.errors import StreamUnavailable
from app.simulator.connection import ANSWER_SECONDS_MAX, Client
from app.topology import Topology

__all__ = ["Bookmark"]

log = logging.getLogger(__name__)


class Bookmark:
    """The last epoch of each slot, in a bucket; use `open`."""

    def __init__(self, bucket: KeyValue, slot: int) -> None:
        self._bucket = bucket
        self._key = f"slot.{slot}"

    @classmethod
    async def open(cls, client: Client, topology: Topology, slot: int) -> "Bookmark":
        """Open the bucket, and make it where it is missing.

        Raises:
            StreamUnavailable: JetStream does not answer, or refuses.
        """
        jetstream = client.jetstream(timeout=ANSWER_SECONDS_MAX)
        name = topology.simulator_bucket
        try:
            bucket = await jetstream.create_key_value(
                bucket=name,
                description="How far simulated time has come, by slot.",
                replicas=topology.settings.nats.replicas,
            )
        except (APIError, nats.errors.Error) as error:
            raise StreamUnavailable(f"bucket {name}: {error}") from None
        return cls(bucket, slot)

    async def read(self) -> int | None:
        """Return the latest epoch of any slot; none if there is none yet.

        Raises:
            StreamUnavailable: JetStream does not answer.
        """
        try:
            keys = await self._bucket.keys()
            entries = [await self._bucket.get(key) for key in keys]
        except NoKeysError:
            return None
        except (APIError, nats.errors.Error) as error:
            raise StreamUnavailable(f"the bookmark cannot be read: {error}") from None
        return max(int(entry.value or b"0") for entry in entries)

    async def write(self, epoch: int) -> None:
        """Keep an epoch; while NATS is away, warn only: the next one will do."""
        try:
            await self._bucket.put(self._key, str(epoch).encode())
        except (APIError, nats.errors.Error) as error:
            log.warning("Simulated time was not kept: %r.", error)
