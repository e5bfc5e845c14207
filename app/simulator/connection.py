"""A connection to NATS that outlives its server, and the wait for the stream."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import nats
import nats.errors
from nats.aio.client import Client, Server
from tenacity import (
    AsyncRetrying,
    RetryError,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from app.errors import StreamUnavailable
from app.settings import Settings
from app.topology import Topology

__all__ = ["ANSWER_SECONDS_MAX", "Client", "connected", "wait_for_stream"]

log = logging.getLogger(__name__)

BACKOFF_SECONDS_MIN, BACKOFF_SECONDS_MAX = 0.1, 2.0
PENDING_BYTES_MAX = 8 << 20
ANSWER_SECONDS_MAX = 5.0

Callback = Callable[[], None]


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
    """
    attempts = 0
    last_error: Exception | None = None
    closing = False

    async def lost() -> None:
        if not closing:
            on_lost()

    async def restored() -> None:
        nonlocal attempts
        attempts = 0
        on_restored()

    async def trouble(error: Exception) -> None:
        nonlocal last_error
        last_error = error
        log.debug("NATS: %r", error)

    def next_server(servers: list[Server], _: object) -> tuple[Server, float]:
        nonlocal attempts
        delay = min(BACKOFF_SECONDS_MIN * 2**attempts, BACKOFF_SECONDS_MAX)
        attempts = min(attempts + 1, 16)
        # Jitter, so that simulators do not all come back in the same instant.
        return random.choice(servers), delay * random.uniform(0.5, 1.0)  # noqa: S311

    try:
        async with asyncio.timeout(wait_seconds):
            await connection.connect(
                settings.nats.servers.split(","),
                name="smartmeter-simulator",
                connect_timeout=max(1, round(settings.nats.connect_timeout_seconds)),
                reconnect_time_wait=1,
                max_reconnect_attempts=-1,
                reconnect_to_server_handler=next_server,
                pending_size=PENDING_BYTES_MAX,
                disconnected_cb=lost,
                reconnected_cb=restored,
                error_cb=trouble,
            )
    except (TimeoutError, OSError, nats.errors.Error) as error:
        raise StreamUnavailable(
            f"no NATS server took the connection within {wait_seconds:g} s "
            f"({last_error or error}); see SMARTMETER_NATS__SERVERS"
        ) from None
    try:
        yield
    finally:
        closing = True
        with suppress(nats.errors.Error):
            await connection.close()


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
