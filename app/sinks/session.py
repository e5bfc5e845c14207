"""Connecting to Cassandra, and what its errors mean to us."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cassandra import (
    AuthenticationFailed,
    ConsistencyLevel,
    DriverException,
    InvalidRequest,
    RequestValidationException,
    protocol,
)
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import (
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
    NoHostAvailable,
    Session,
)
from cassandra.policies import (
    DCAwareRoundRobinPolicy,
    ExponentialReconnectionPolicy,
    FallthroughRetryPolicy,
    TokenAwarePolicy,
)

from app.errors import AccessDenied, RejectedQuery, SettingsError, SinkUnavailable
from app.settings import variable
from app.settings.archive import Archive
from app.tls import tls_context, trust_trouble

__all__ = [
    "Session",
    "close",
    "connect",
    "driver_errors",
    "give_rows_as",
    "is_refusal",
    "summary",
]

RECONNECT_SECONDS_MIN = 0.5
RECONNECT_SECONDS_MAX = 10.0
# How the driver wraps what a server says; the code and the details are for its log.
SERVER_MESSAGE = re.compile(r'Error from server: .*? message="(.*?)"(?= info=|>?$)')
UNTRUSTED = re.compile(r"certificate verify failed: (.*?)(?= \(_ssl|$)")
OTHER_TLS = re.compile(r"\[SSL: (\w+)\]")


def connect(archive: Archive) -> Session:
    """Return a session with Cassandra; blocks until it answers or time is up.

    Raises:
        SinkUnavailable: No host answers.
        SettingsError: A host answers and refuses the user or the password.
        AccessDenied: It is not whom we trust, or one side alone encrypts.
    """
    place = f"{archive.contact_points}, port {archive.port}"
    cluster = None
    try:
        cluster = _cluster(archive)
        return cluster.connect()
    except (DriverException, NoHostAvailable, OSError) as error:
        if cluster is not None:
            cluster.shutdown()
        if _is_about_credentials(error):
            name = variable("archive", "username")
            raise SettingsError(
                f"{name}: Cassandra at {place} refuses this user or its password"
            ) from None
        if trouble := _trouble_of_tls(error):
            raise AccessDenied(f"Cassandra at {place} {trouble}") from None
        hint = "" if archive.is_encrypted else "; one that demands TLS says no more"
        raise SinkUnavailable(
            f"no Cassandra answers at {place} ({summary(error)}{hint})"
        ) from None


def _cluster(archive: Archive) -> Cluster:
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(
            DCAwareRoundRobinPolicy(local_dc=archive.datacenter)
        ),
        # Errors come back to our own back-off, which is bounded and counted.
        retry_policy=FallthroughRetryPolicy(),
        # Rows are written at the level of the setting; nothing can be read at ANY.
        consistency_level=ConsistencyLevel.name_to_value[
            archive.consistency.replace("ANY", "ONE")
        ],
        request_timeout=archive.timeout_seconds,
    )
    credentials = None
    if archive.username:
        password = archive.password.get_secret_value()
        credentials = PlainTextAuthProvider(archive.username, password)
    return Cluster(
        [host.strip() for host in archive.contact_points.split(",")],
        port=archive.port,
        auth_provider=credentials,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        reconnection_policy=ExponentialReconnectionPolicy(
            RECONNECT_SECONDS_MIN, RECONNECT_SECONDS_MAX
        ),
        connect_timeout=archive.timeout_seconds,
        control_connection_timeout=archive.timeout_seconds,
        ssl_context=tls_context("archive", archive) if archive.is_encrypted else None,
    )


def _causes(error: BaseException) -> list[BaseException]:
    causes = getattr(error, "errors", None)
    return [error, *causes.values()] if isinstance(causes, dict) else [error]


def _is_about_credentials(error: BaseException) -> bool:
    return any(isinstance(cause, AuthenticationFailed) for cause in _causes(error))


def _trouble_of_tls(error: BaseException) -> str:
    """Say what is wrong with TLS, of which the driver keeps no more than the words."""
    for cause in _causes(error):
        if told := UNTRUSTED.search(str(cause)):
            return trust_trouble(told.group(1), "archive")
        if told := OTHER_TLS.search(str(cause)):
            name = variable("archive", "tls")
            return f"does not speak TLS as we do ({told.group(1)}): see {name}"
    return ""


def give_rows_as(session: Session, factory: Callable[..., Any]) -> None:
    """Let a session give pages as a function of the columns' names and the rows."""
    session.get_execution_profile(EXEC_PROFILE_DEFAULT).row_factory = factory


def close(session: Session) -> None:
    """Close a session and its cluster's threads; blocks for a moment."""
    session.cluster.shutdown()


@contextmanager
def driver_errors() -> Iterator[None]:
    """Turn what the driver raises in the block into our own errors.

    Raises:
        RejectedQuery: Cassandra refused the statement.
        SinkUnavailable: Cassandra did not answer, or not in time.
    """
    try:
        yield
    except (RequestValidationException, protocol.RequestValidationException) as error:
        raise RejectedQuery(f"Cassandra refuses: {summary(error)}") from None
    except (DriverException, protocol.ErrorMessage, NoHostAvailable) as error:
        raise SinkUnavailable(f"Cassandra: {summary(error)}") from None


def is_refusal(error: BaseException) -> bool:
    """Return whether Cassandra refused the content, rather than being away."""
    return isinstance(error, InvalidRequest)


def summary(error: BaseException) -> str:
    """Return one line about a driver's error, without its nested representations."""
    if isinstance(error, NoHostAvailable) and isinstance(error.errors, dict):
        causes = "; ".join(
            f"{host}: {summary(cause)}" for host, cause in error.errors.items()
        )
        return causes or "no host is up"
    text = str(error).strip() or type(error).__name__
    told = SERVER_MESSAGE.search(text)
    return (told.group(1) if told else text).splitlines()[0][:300]
