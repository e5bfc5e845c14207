"""Takes out of the stream what every consumer has carried."""

import asyncio

from app.topology import Topology
from bridge.link import Link
from bridge.stream import purge_carried
from bridge.supervision import paused

__all__ = ["Purge"]

EVERY_SECONDS = 5.0


class Purge:
    """Keeps the stream as small as what is not carried yet."""

    is_reading = True

    def __init__(self, *, topology: Topology, link: Link) -> None:
        self._topology = topology
        self._link = link

    async def run(self, stopping: asyncio.Event) -> None:
        """Purge every few seconds until stopping is set.

        Raises:
            nats.errors.Error: The server does not answer; begin anew.
        """
        while not stopping.is_set():
            await purge_carried(self._link.jetstream(), self._topology)
            await paused(stopping, EVERY_SECONDS)
