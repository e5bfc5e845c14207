"""Kafka topics: create what is missing, and check that the rest is as it must be."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from app import connections
from app.errors import AccessDenied, KafkaUnavailable, TopicMismatch
from app.settings import Settings
from app.topology import Topic, Topology

__all__ = ["Finding", "check_topics", "ensure_topics", "require_topics"]

SEGMENT_BYTES = 64 << 20  # retention drops whole segments, so they are kept small
VISIBLE_SECONDS_MAX = 15.0
WAIT_SECONDS_MAX = 60.0

logger = logging.getLogger(__name__)


class _Entry(NamedTuple):
    """A value of a topic's configuration, and where it comes from."""

    value: str
    source: int


OF_TOPIC = 1  # set for the topic, and not the broker's default

Finding = tuple[Topic, str]
"""A topic and what is to be said of it; empty when it is as it must be."""


def configuration(topic: Topic) -> dict[str, str]:
    """Return the broker's configuration that a topic needs."""
    milliseconds = int(topic.retention_seconds * 1_000)
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(milliseconds if milliseconds > 0 else -1),
        "segment.bytes": str(SEGMENT_BYTES),
        "max.message.bytes": str(topic.message_bytes_max),
        "min.insync.replicas": str(topic.copies_min),
    }


async def ensure_topics(settings: Settings, *, mend: bool = False) -> list[Finding]:
    """Create missing topics, then return the findings of a check.

    mend: also set the configuration of those that are there, as far as it differs.

    Raises:
        KafkaUnavailable: No broker answers.
        TopicMismatch: It refuses.
    """
    topics = Topology(settings).topics
    async with _connected(settings) as admin:
        missing = [t for t, text in await _check(admin, topics) if text == MISSING]
        await _create(admin, missing, settings.kafka.replication_factor)
        if mend:
            await _configure(admin, topics)
        deadline = asyncio.get_running_loop().time() + VISIBLE_SECONDS_MAX
        while True:
            findings = await _check(admin, topics)
            # What a broker was told is not seen by all of them at once.
            late = any(_is_late(text, mend=mend) for _, text in findings)
            if not late or asyncio.get_running_loop().time() > deadline:
                return findings
            await asyncio.sleep(0.1)


def _is_late(text: str, *, mend: bool) -> bool:
    return text == MISSING or (mend and text.endswith(DIFFERS))


async def require_topics(settings: Settings, *, group: str) -> None:
    """Wait for Kafka, up to a minute, and check that the topics are as they must be.

    Raises:
        KafkaUnavailable: No broker has answered.
        TopicMismatch: A topic is not as it must be.
        AccessDenied: Kafka lets us in, but not into the consumer group.
    """
    patience = AsyncRetrying(
        retry=retry_if_exception_type(KafkaUnavailable),
        wait=wait_random_exponential(multiplier=0.5, max=5.0),
        stop=stop_after_delay(WAIT_SECONDS_MAX),
        before_sleep=_say_once,
        reraise=True,
    )
    findings: list[Finding] = await patience(check_topics, settings)
    for topic, text in findings:
        if text:
            raise TopicMismatch(f"topic {topic.name}: {text}")
    await _require_group(settings, group)


def _say_once(attempt: RetryCallState) -> None:
    if attempt.attempt_number == 1:
        assert attempt.outcome is not None  # noqa: S101 - tenacity calls this after a failure
        error = attempt.outcome.exception()
        logger.warning("%s; waiting for it, %.0f s at most.", error, WAIT_SECONDS_MAX)


async def _require_group(settings: Settings, group: str) -> None:
    """Say what Faust would not: that it waits for a group that it may not enter."""
    async with _connected(settings) as admin:
        try:
            await admin.list_consumer_group_offsets(group)
        except GroupAuthorizationFailedError:
            user = settings.kafka.user or "nobody"
            raise AccessDenied(
                f"Kafka's rules do not let the user {user!r} into the group {group}:"
                " see deploy/privileges"
            ) from None
        except KafkaError as error:
            # A new broker has no coordinator yet; Faust waits for that rightly.
            if not error.retriable:
                raise


async def check_topics(settings: Settings) -> list[Finding]:
    """Return what is to be said of each topic, without changing any.

    Raises:
        KafkaUnavailable: No broker answers.
    """
    async with _connected(settings) as admin:
        return await _check(admin, Topology(settings).topics)


FORBIDDEN = "Kafka's rules hide it from this user: see deploy/privileges"
MISSING = "missing: run `smartmeter topics`"
DIFFERS = "run `smartmeter topics apply --configs`"
FIXED = "partitions are never grown: move on with `smartmeter replay --into`"


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[Any]:
    """Yield an admin client; Kafka's errors become ours, in one line."""
    servers = settings.kafka.servers
    await connections.knock_at_kafka(settings)
    client = AIOKafkaAdminClient(**connections.kafka_options(settings))
    try:
        await client.start()
        yield client
    except (KafkaConnectionError, NodeNotReadyError, OSError) as error:
        raise KafkaUnavailable(
            f"no Kafka answers at {servers} (SMARTMETER_KAFKA__SERVERS): {error}"
        ) from error
    except KafkaError as error:
        raise TopicMismatch(f"Kafka at {servers} refuses: {error}") from error
    finally:
        await client.close()


async def _create(admin: Any, topics: Iterable[Topic], replicas: int) -> None:
    wanted = [
        NewTopic(
            name=topic.name,
            num_partitions=topic.partitions,
            replication_factor=replicas,
            topic_configs=configuration(topic),
        )
        for topic in topics
    ]
    if not wanted:
        return
    answer = await admin.create_topics(wanted)
    for name, code, *rest in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            why = ": ".join([error.__name__, *filter(None, rest)])
            raise TopicMismatch(f"topic {name} cannot be created: {why}")


async def _check(admin: Any, topics: Iterable[Topic]) -> list[Finding]:
    topics = list(topics)
    answers = await admin.describe_topics([topic.name for topic in topics])
    described = {
        entry["topic"]: len(entry["partitions"])
        for entry in answers
        if not entry["error_code"]
    }
    hidden = {
        entry["topic"]
        for entry in answers
        if for_code(entry["error_code"]) is TopicAuthorizationFailedError
    }
    present = [topic for topic in topics if topic.name in described]
    configured = await _configured(admin, [topic.name for topic in present])
    findings: list[Finding] = []
    for topic in topics:
        text = ""
        if topic.name in hidden:
            text = FORBIDDEN
        elif topic.name not in described:
            text = MISSING
        elif described[topic.name] != topic.partitions:
            text = (
                f"has {described[topic.name]} partitions, must have {topic.partitions}"
                f" (SMARTMETER_KAFKA__LANES); {FIXED}"
            )
        elif topic.name not in configured:
            text = FORBIDDEN
        elif differing := _differing(topic, configured[topic.name]):
            text = f"{', '.join(differing)}: {DIFFERS}"
        findings.append((topic, text))
    return findings


def _differing(topic: Topic, actual: Mapping[str, _Entry]) -> list[str]:
    return [
        f"{key} is {actual[key].value if key in actual else 'not set'}, must be {value}"
        for key, value in configuration(topic).items()
        if key not in actual or actual[key].value != value
    ]


async def _configure(admin: Any, topics: Iterable[Topic]) -> None:
    """Set what differs; what somebody set beside ours stays as it is.

    Raises:
        TopicMismatch: The broker refuses.
    """
    topics = list(topics)
    configured = await _configured(admin, [topic.name for topic in topics])
    wanted = [
        ConfigResource(
            ConfigResourceType.TOPIC,
            topic.name,
            configs={k: e.value for k, e in actual.items() if e.source == OF_TOPIC}
            | configuration(topic),
        )
        for topic in topics
        if (actual := configured.get(topic.name)) and _differing(topic, actual)
    ]
    if not wanted:
        return
    for answer in await admin.alter_configs(wanted):
        for code, message, _, name in answer.resources:
            if code:
                raise TopicMismatch(f"topic {name}: {for_code(code)} {message or ''}")


async def _configured(admin: Any, names: list[str]) -> dict[str, dict[str, _Entry]]:
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configured: dict[str, dict[str, _Entry]] = {}
    for answer in await admin.describe_configs(resources):
        for code, _, _, name, entries in answer.resources:
            if not code:
                configured[name] = {e[0]: _Entry(e[1], e[3]) for e in entries}
    return configured
