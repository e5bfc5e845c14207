"""Keeping a part of the bridge at work: back off, begin anew, or give up for good."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

import nats.errors
from aiokafka.errors import KafkaError

from app.errors import SmartMeterError

__all__ = ["Part", "Trouble", "keep", "paused", "reasons"]

BACK_OFF_SECONDS_MIN, BACK_OFF_SECONDS_MAX = 0.2, 5.0
HEALED_SECONDS = 30.0
SAID_AGAIN_SECONDS = 60.0
PASSING = (SmartMeterError, KafkaError, nats.errors.Error, OSError, TimeoutError)

logger = logging.getLogger(__name__)


class Part(Protocol):
    """Something the bridge carries, that begins anew after a break."""

    @property
    def is_reading(self) -> bool:
        """Whether it has begun."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Carry until stopping is set."""


class Trouble:
    """What keeps a part from its work, in one line; empty while it does it."""

    def __init__(self) -> None:
        self.text = ""

    def __str__(self) -> str:
        return self.text


async def keep(
    name: str,
    run: Callable[[asyncio.Event], Awaitable[None]],
    stopping: asyncio.Event,
    trouble: Trouble,
    *,
    hands_on: tuple[type[Exception], ...] = (),
) -> None:
    """Run a part until it ends or stopping is set; after a break, again.

    The pause between two tries doubles up to a few seconds, with jitter, and is short
    again once a try has held.

    Args:
        name: What the log calls it.
        run: Its work.
        stopping: Ends it in good order.
        trouble: Is told what is wrong, for as long as it is.
        hands_on: Errors that another try here cannot mend, but one further out may.

    Raises:
        SmartMeterError: One that no further try can mend, or one to be handed on.
        Exception: Anything unexpected.
    """
    attempt, said, said_at = 0, "", 0.0
    while not stopping.is_set():
        began = time.monotonic()
        try:
            await run(stopping)
        except Exception as error:
            causes = list(reasons(error))
            for cause in causes:
                if not _passes(cause) or isinstance(cause, hands_on):
                    raise cause from error
            now = time.monotonic()
            if now - began > HEALED_SECONDS:
                attempt = 0
            seconds = min(BACK_OFF_SECONDS_MAX, BACK_OFF_SECONDS_MIN * 2**attempt)
            seconds *= random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
            attempt = min(attempt + 1, 16)
            trouble.text = f"{name}: {str(causes[0]) or type(causes[0]).__name__}"
            if trouble.text != said or now - said_at > SAID_AGAIN_SECONDS:
                said, said_at = trouble.text, now
                logger.warning("%s; again in %.1f s.", trouble, seconds)
            await paused(stopping, seconds)
            trouble.text = ""
        else:
            return


def reasons(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors in an error: itself, or those that a group holds, at any depth.

    >>> [str(e) for e in reasons(ExceptionGroup("g", [ValueError("a"), OSError("b")]))]
    ['a', 'b']
    """
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from reasons(each)
    else:
        yield error


def _passes(error: BaseException) -> bool:
    if isinstance(error, SmartMeterError):
        return error.retriable
    return isinstance(error, PASSING)


async def paused(stopping: asyncio.Event, seconds: float) -> bool:
    """Wait so long, or until stopping is set; tell whether it is."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return False
    return True
