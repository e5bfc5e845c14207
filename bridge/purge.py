"""Takes out of the stream what every consumer has carried."""

import asyncio

from nats.aio.client import Client

from app.topology import Topology
from bridge.stream import purge_carried

__all__ = ["Purge"]

EVERY_SECONDS = 5.0


class Purge:
    """Keeps the stream as small as what is not carried yet."""

    is_reading = True

    def __init__(self, *, topology: Topology, client: Client) -> None:
        self._topology = topology
        self._client = client

    def break_off(self, why: str) -> None:
        """Do nothing: each purge stands alone."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Purge every few seconds until stopping is set.

        Raises:
            nats.errors.Error: The server does not answer; begin anew.
        """
        while not stopping.is_set():
            await purge_carried(self._client.jetstream(), self._topology)
            try:
                await asyncio.wait_for(stopping.wait(), EVERY_SECONDS)
            except TimeoutError:
                continue
