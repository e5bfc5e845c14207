"""A connection to NATS that outlives its server, and the wait for the stream."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import nats.errors
from nats.aio.client import Server
from tenacity import (
    AsyncRetrying,
    RetryError,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from app import connections
from app.connections import NatsClient as Client
from app.errors import NatsUnavailable, StreamUnavailable
from app.settings import Settings
from app.topology import Topology

__all__ = ["ANSWER_SECONDS_MAX", "Client", "connected", "wait_for_stream"]

log = logging.getLogger(__name__)

BACKOFF_SECONDS_MIN, BACKOFF_SECONDS_MAX = 0.1, 2.0
PENDING_BYTES_MAX = 8 << 20  # far above what is in flight: a send never waits
ANSWER_SECONDS_MAX = 5.0

Callback = Callable[[], None]


class _Link:
    """What the client tells, and when it tries a server again."""

    def __init__(
        self, client: Client, on_lost: Callback, on_restored: Callback
    ) -> None:
        self._client = client
        self._on_lost = on_lost
        self._on_restored = on_restored
        self._attempts = 0
        self.is_closing = False
        self.last_error: Exception | None = None

    async def lost(self) -> None:
        if not self.is_closing:
            self._on_lost()

    async def restored(self) -> None:
        self._attempts = 0
        self._on_restored()

    async def failed(self, error: Exception) -> None:
        self.last_error = error
        self._client.tell_if_forbidden(error)

    def next_server(self, servers: list[Server], _: object) -> tuple[Server, float]:
        """Return a server and a delay: longer each time, and never in step."""
        delay = min(BACKOFF_SECONDS_MIN * 2**self._attempts, BACKOFF_SECONDS_MAX)
        self._attempts = min(self._attempts + 1, 16)
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 spreads simulators, no secret
        return random.choice(servers), delay * jitter  # noqa: S311 likewise


@asynccontextmanager
async def connected(
    connection: Client,
    settings: Settings,
    *,
    wait_seconds: float,
    on_lost: Callback,
    on_restored: Callback,
) -> AsyncIterator[None]:
    """Connect, and reconnect with back-off and jitter for as long as the block runs.

    Raises:
        StreamUnavailable: No server answered within wait_seconds.
        AccessDenied: One refuses us, or we do not trust it.
    """
    await _answered(settings, wait_seconds)
    link = _Link(connection, on_lost, on_restored)
    connection.demands_tls = connections.nats_demands_tls(settings)
    try:
        async with asyncio.timeout(wait_seconds):
            await connection.connect(
                **connections.nats_options(settings),
                name="smartmeter-simulator",
                reconnect_time_wait=1,
                max_reconnect_attempts=-1,
                reconnect_to_server_handler=link.next_server,
                pending_size=PENDING_BYTES_MAX,
                flush_timeout=ANSWER_SECONDS_MAX,
                disconnected_cb=link.lost,
                reconnected_cb=link.restored,
                error_cb=link.failed,
            )
    except (TimeoutError, OSError, nats.errors.Error) as error:
        raise StreamUnavailable(
            f"no NATS server took the connection within {wait_seconds:g} s "
            f"({link.last_error or error}); see SMARTMETER_NATS__SERVERS"
        ) from None
    try:
        yield
    finally:
        link.is_closing = True
        with suppress(nats.errors.Error):
            await connection.close()


async def _answered(settings: Settings, wait_seconds: float) -> None:
    """Wait for a server that lets us in; a refusal ends the wait."""
    patience = AsyncRetrying(
        retry=retry_if_exception_type(NatsUnavailable),
        stop=stop_after_delay(wait_seconds),
        wait=wait_random_exponential(max=BACKOFF_SECONDS_MAX, multiplier=0.2),
        reraise=True,
    )
    try:
        await patience(connections.knock_at_nats, settings)
    except NatsUnavailable as error:
        raise StreamUnavailable(f"{error} within {wait_seconds:g} s") from None


async def wait_for_stream(
    connection: Client, topology: Topology, *, wait_seconds: float
) -> None:
    """Wait for the stream of raw messages, which the bridge makes.

    Raises:
        StreamUnavailable: It does not exist after wait_seconds.
    """
    jetstream = connection.jetstream(timeout=ANSWER_SECONDS_MAX)
    try:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type((nats.errors.Error, TimeoutError)),
            stop=stop_after_delay(wait_seconds),
            wait=wait_random_exponential(max=2.0, multiplier=0.2),
        ):
            if attempt.retry_state.attempt_number == 2:
                log.info(
                    "Waiting for the stream %s, which the bridge makes.",
                    topology.stream,
                )
            with attempt:
                await jetstream.stream_info(topology.stream)
    except RetryError as error:
        raise StreamUnavailable(
            f"no stream {topology.stream} after {wait_seconds:g} s: start the bridge "
            f"(`smartmeter bridge`), which makes it ({error.last_attempt.exception()})"
        ) from None
