"""Asking the monitoring ports of NATS servers."""

import ssl
from collections.abc import Collection, Sequence
from typing import Any

import aiohttp
import orjson

from app.metrics import nats as metrics
from app.metrics.families import Sample

__all__ = ["NatsMonitors"]

BODY_BYTES_MAX = 8 << 20


class NatsMonitors:
    """The monitoring ports of a cluster's servers.

    Args:
        addresses: One for each server, as `http://host:8222`.
        streams: Names of the streams that are told of one by one.
        trust: Whom to trust where an address is https; None: the system's authorities.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        streams: Collection[str],
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._trust = trust
        self._addresses = addresses
        self._streams = streams

    async def read(self) -> list[Sample]:
        """Return the samples of all servers.

        Raises:
            aiohttp.ClientError, TypeError, ValueError: A server does not answer, or not
                as NATS does.
        """
        samples: list[Sample] = []
        connector = aiohttp.TCPConnector(ssl=self._trust or True)
        async with aiohttp.ClientSession(
            connector=connector, raise_for_status=True
        ) as session:
            for address in self._addresses:
                varz = await _document(session, f"{address}/varz")
                jsz = await _document(
                    session, f"{address}/jsz?streams=true&consumers=true&config=true"
                )
                samples += metrics.server_samples(address, varz, jsz)
                name = str(varz.get("server_name", ""))
                samples += metrics.stream_samples(address, name, jsz, self._streams)
        return samples


async def _document(session: aiohttp.ClientSession, address: str) -> dict[str, Any]:
    async with session.get(address) as answer:
        body = bytearray()
        async for chunk in answer.content.iter_any():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                raise ValueError(f"{address}: more than {BODY_BYTES_MAX} bytes")
    document = orjson.loads(body)
    if not isinstance(document, dict):
        raise TypeError(f"{address}: no JSON object")
    return document
