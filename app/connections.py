"""Who we are to NATS and Kafka, and whom we trust: one home for every client's options.

Secrets come from the settings and go to the drivers; no message here holds one.
"""

import asyncio
import logging
import ssl
import time
from math import inf
from typing import Any, ClassVar
from urllib.parse import urlsplit

import nats.errors
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest
from nats.aio.client import Client, RawCredentials

from app import broken_connections
from app.errors import AccessDenied, KafkaUnavailable, NatsUnavailable, SettingsError
from app.settings import Settings
from app.tls import tls_context, trust_trouble

__all__ = [
    "NatsClient",
    "connect_nats",
    "kafka_options",
    "kafka_servers",
    "knock_at_kafka",
    "knock_at_nats",
    "nats_demands_tls",
    "nats_options",
    "nats_servers",
]

broken_connections.mend()

logger = logging.getLogger(__name__)

KAFKA_PORT = 9092
SAID_AGAIN_SECONDS = 60.0
KNOCKS_MAX = 5  # one of them hears why it is refused
REFUSALS = ("authorization", "authentication", "permissions", "expired", "revoked")


class HungUp(nats.errors.Error):
    """A server hung up when it heard who we are; what it said of that was lost."""

    def __str__(self) -> str:
        return "nats: it hung up when it heard who we are, as one does that refuses"


class NatsClient(Client):
    """A NATS client that sends nothing of us over a connection that is not encrypted.

    nats-py encrypts when the server asks for it, and says its password in the clear
    when the server (or whoever answers in its place) does not.
    """

    demands_tls = False

    _forbidden: ClassVar[dict[str, float]] = {}  # what, and when it was said

    def tell_if_forbidden(self, error: Exception) -> None:
        """Say once a minute what our account may not do, beside the time-outs."""
        text = str(error).removeprefix("nats: ").strip().strip("'")
        if "permissions violation" not in text.lower():
            return
        if time.monotonic() > self._forbidden.get(text, -inf) + SAID_AGAIN_SECONDS:
            self._forbidden[text] = time.monotonic()
            logger.error("NATS forbids our account what it needs: %s", text)

    async def _process_connect_init(self) -> None:
        """Say who we are; nats-py takes it for a welcome if the server hangs up."""
        await super()._process_connect_init()
        if not self.is_connected:
            raise HungUp

    def _connect_command(self) -> bytes:
        transport = getattr(self, "_transport", None)
        writer = getattr(transport, "_io_writer", None)
        encrypted = writer and writer.get_extra_info("ssl_object")
        if self.demands_tls and not encrypted:
            raise nats.errors.SecureConnRequiredError
        return super()._connect_command()


def nats_servers(settings: Settings) -> list[str]:
    """Return the addresses of the NATS servers."""
    return [server.strip() for server in settings.nats.servers.split(",")]


def nats_options(settings: Settings) -> dict[str, Any]:
    """Return what `Client.connect` must know of identity and encryption."""
    section = settings.nats
    options: dict[str, Any] = {
        "servers": nats_servers(settings),
        "connect_timeout": max(1, round(section.connect_timeout_seconds)),
        "inbox_prefix": section.inbox_prefix,
    }
    if section.user:
        options["user"] = section.user
        options["password"] = section.password.get_secret_value()
    if token := section.token.get_secret_value():
        options["token"] = token
    if seed := section.nkey_seed.get_secret_value():
        options["nkeys_seed_str"] = seed
    if credentials := section.credentials.get_secret_value():
        options["user_credentials"] = RawCredentials(credentials + "\n")
    if nats_demands_tls(settings):
        options["tls"] = tls_context("nats", section)
    return options


async def connect_nats(
    client: NatsClient, settings: Settings, *, name: str, **options: Any
) -> None:
    """Connect a client once; whoever calls decides whether to try again.

    Args:
        client: Not connected yet.
        settings: Where, and as whom.
        name: What the server's monitoring shows.
        options: Of `Client.connect`.

    Raises:
        AccessDenied: A server refuses us, or we do not trust it.
        NatsUnavailable: None answers.
    """
    client.demands_tls = nats_demands_tls(settings)
    servers = nats_servers(settings)
    seen: list[Exception] = []

    async def note(error: Exception) -> None:
        seen.append(error)
        client.tell_if_forbidden(error)

    seconds = settings.nats.connect_timeout_seconds * len(servers) + 1.0
    try:
        async with asyncio.timeout(seconds):
            await client.connect(
                **nats_options(settings),
                name=name,
                allow_reconnect=False,
                reconnect_time_wait=1,
                error_cb=note,
                **options,
            )
    except (OSError, TimeoutError, nats.errors.Error) as error:
        cause = seen[-1] if seen and isinstance(error, TimeoutError) else error
        raise _nats_trouble(settings, cause) from error
    except (ValueError, IndexError) as error:
        # nkeys and the JWT reader; their words could repeat a part of the secret.
        raise SettingsError(
            "SMARTMETER_NATS__NKEY_SEED or SMARTMETER_NATS__CREDENTIALS:"
            f" not what nats-server's tools write ({type(error).__name__})"
        ) from None


def _nats_trouble(settings: Settings, cause: Exception) -> Exception:
    where = f"NATS at {_shown(nats_servers(settings))}"
    text = str(cause).removeprefix("nats: ").strip().strip("'").lower()
    if isinstance(cause, nats.errors.SecureConnRequiredError):
        return AccessDenied(
            f"{where} does not encrypt, and SMARTMETER_NATS__TLS or …__CA asks for it"
        )
    if isinstance(cause, ssl.SSLCertVerificationError):
        return AccessDenied(f"{where} {trust_trouble(cause.verify_message, 'nats')}")
    if any(word in text for word in REFUSALS):
        return AccessDenied(
            f"{where} refuses us ({text}): see SMARTMETER_NATS__USER, …__TOKEN,"
            " …__NKEY_SEED and …__CREDENTIALS"
        )
    return NatsUnavailable(
        f"{where} (SMARTMETER_NATS__SERVERS) does not answer: {text or repr(cause)}"
    )


async def knock_at_nats(settings: Settings) -> None:
    """Connect to a server and say who we are, then leave.

    Raises:
        AccessDenied: A server refuses us, or we do not trust it.
        NatsUnavailable: None answers.
    """
    for knocks_left in reversed(range(KNOCKS_MAX)):
        client = NatsClient()
        try:
            await connect_nats(client, settings, name=f"{settings.namespace}-knock")
        except NatsUnavailable as error:
            if not isinstance(error.__cause__, HungUp) or not knocks_left:
                raise
        else:
            await client.close()
            return


def nats_demands_tls(settings: Settings) -> bool:
    """Return whether nothing may be said to NATS over a connection in the clear."""
    return settings.nats.is_encrypted or any(
        server.startswith("tls://") for server in nats_servers(settings)
    )


def kafka_servers(settings: Settings) -> list[str]:
    """Return the bootstrap addresses."""
    return [server.strip() for server in settings.kafka.servers.split(",")]


def kafka_options(settings: Settings) -> dict[str, Any]:
    """Return what every aiokafka client must know of place, identity, encryption."""
    kafka = settings.kafka
    protocol = "SSL" if kafka.is_encrypted else "PLAINTEXT"
    options: dict[str, Any] = {
        "bootstrap_servers": kafka_servers(settings),
        "request_timeout_ms": int(kafka.request_timeout_seconds * 1_000),
        "security_protocol": f"SASL_{protocol}" if kafka.sasl_mechanism else protocol,
    }
    if kafka.is_encrypted:
        options["ssl_context"] = tls_context("kafka", kafka)
    if kafka.sasl_mechanism:
        options["sasl_mechanism"] = kafka.sasl_mechanism
        options["sasl_plain_username"] = kafka.user
        options["sasl_plain_password"] = kafka.password.get_secret_value()
    return options


async def knock_at_kafka(settings: Settings) -> None:
    """Connect to a broker and say who we are, because aiokafka's clients hide why not.

    Raises:
        AccessDenied: A broker refuses us, or we do not trust it.
        KafkaUnavailable: None answers.
    """
    options = kafka_options(settings)
    causes: list[Exception] = []
    for server in options.pop("bootstrap_servers"):
        place = urlsplit(f"//{server}")
        try:
            await _ask_broker(place.hostname, place.port or KAFKA_PORT, options)
        except (OSError, TimeoutError, KafkaError) as error:
            causes.append(error)
        else:
            return
    raise _kafka_trouble(settings, causes[0]) from causes[0]


async def _ask_broker(host: str | None, port: int, options: dict[str, Any]) -> None:
    """Ask a broker something that it answers to nobody whom it does not know."""
    connection = await create_conn(host, port, **options)
    try:
        async with asyncio.timeout(options["request_timeout_ms"] / 1_000):
            await connection.send(MetadataRequest([]))
    finally:
        connection.close()


def _kafka_trouble(settings: Settings, cause: Exception) -> Exception:
    where = f"Kafka at {', '.join(kafka_servers(settings))}"
    kind = type(cause).__name__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return AccessDenied(f"{where} {trust_trouble(cause.verify_message, 'kafka')}")
    if isinstance(cause, ssl.SSLError):
        return AccessDenied(f"{where} does not speak TLS: see SMARTMETER_KAFKA__TLS")
    if "Sasl" in kind or "Authentication" in kind or "Authorization" in kind:
        return AccessDenied(
            f"{where} refuses the user {settings.kafka.user!r} ({kind}):"
            " see SMARTMETER_KAFKA__USER, …__PASSWORD and …__SASL_MECHANISM"
        )
    hint = ""
    if isinstance(cause, KafkaError | ConnectionResetError | TimeoutError):
        encrypted = settings.kafka.is_encrypted
        guesses = ["has no TLS" if encrypted else "demands TLS"]
        if not settings.kafka.sasl_mechanism:
            guesses.append("demands a user")
        hint = f"; one that {' or '.join(guesses)} says no more than that"
    return KafkaUnavailable(
        f"{where} (SMARTMETER_KAFKA__SERVERS) does not answer:"
        f" {str(cause) or kind}{hint}"
    )


def _shown(servers: list[str]) -> str:
    """Return addresses without what may stand before the @."""
    return ", ".join(server.rpartition("@")[2] for server in servers)
