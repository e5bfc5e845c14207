"""The archive stage as a Faust app: `faust -A app.archive worker`.

Its agents write everything that the other stages publish into a `Sink`. It is an app of
its own, with a consumer group of its own, so that a slow Cassandra never delays the
live windows.

Nothing is lost because the stage commits its offsets itself, and only what is stored:
Faust's own commits may pass records that it has dropped (its issue 606). A partition is
taken strictly in order; a hole stops the process, which then reads again from what was
committed. What is read twice is written twice, and every write is an upsert.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from typing import Any

from faust.app.base import BootStrategy
from faust.types import TP
from mode import Service
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    wait_random_exponential,
)

from app import settings
from app.domain.progress import Admission, Place, Progress
from app.errors import FatalError, SinkUnavailable, StateDiverged
from app.health import serve_health
from app.metrics import archive as metrics
from app.sinks.base import RefusedRow, Rows, Sink
from app.sinks.cassandra import CassandraSink
from app.sinks.tables import Table
from app.topology import Topic, Topology
from app.worker import SmartMeter, create_app

__all__ = ["Archive", "app", "new_app"]

COMMIT_SECONDS = 1.0
FIRST_RETRY_SECONDS_MAX = 0.2
LAST_GROUP_SECONDS_MAX = 5.0
POLL_SECONDS_MAX = 30 * 86_400.0  # Cassandra may be away for long: keep the partitions
COMPLAIN_SECONDS = 30.0
# Half of what a live worker has: enough for Cassandra, and after an outage the archive
# grew by 80 MB, not by 143.
STREAM_BUFFER_FRAMES = 512
FETCH_BYTES_MAX = 1 << 20

logger = logging.getLogger(__name__)


class NoWebView(BootStrategy):
    """Starts a stage without Faust's web server: this one has its own three pages."""

    enable_web = False


class Archive(SmartMeter):
    """The archive stage: a sink, and how far each partition is stored in it."""

    BootStrategy = NoWebView

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.progress = Progress()
        self._revoked_generation = -1
        self._groups_open = 0
        self._no_group_open = asyncio.Event()
        self._trouble = "not connected to Cassandra yet"
        self._complained = 0.0
        self._moved: tuple[float, Mapping[Place, int]] = (0.0, {})
        # With a default sender: Faust calls back with the app as first argument.
        self.on_partitions_revoked.connect(self._revoked)
        self.on_before_shutdown.connect(self._last_commit)
        metrics.register_lag(self.lags)

    @cached_property
    def sink(self) -> Sink:
        """Where rows go."""
        return CassandraSink(self.smartmeter.archive, self.topology.keyspace)

    def source(self, topic: Topic) -> Any:
        """Return the channel of a topic whose offsets this stage commits itself."""
        return self.topic(
            topic.name,
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
            partitions=topic.partitions,
            acks=False,  # Faust shall commit nothing
            internal=False,
        )

    # Start and stop -----------------------------------------------------------------

    async def on_start(self) -> None:
        """Serve the pages, and connect; if Cassandra is away, go on trying later."""
        own, web = self.smartmeter.archive, self.smartmeter.web
        place = own.web_host, own.web_port
        await self.add_async_context(
            serve_health(*place, web, live=self.live, ready=self.ready)
        )
        try:
            await self.sink.start()
        except SinkUnavailable as error:
            self._complain(str(error))
        except FatalError as error:
            self.fail(error)
        else:
            self._trouble = ""
        await super().on_start()

    async def on_shutdown(self) -> None:
        """Close the sink, after everything that writes to it."""
        await super().on_shutdown()
        await self.sink.stop()

    # Taking in order ----------------------------------------------------------------

    @asynccontextmanager
    async def group(self, events: Sequence[Any]) -> AsyncIterator[list[Any]]:
        """Admit a group's events; they are stored when the block ends.

        Nothing leaves this block but a cancellation: any error stops the process at
        once, so that what it read is read again.
        """
        self._groups_open += 1
        self._no_group_open.clear()
        try:
            admitted = await self._admit(events)
            yield admitted
            self.progress.done(
                {event.message.tp: event.message.offset for event in admitted}
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing may follow
            self.fail(error)
        finally:
            self._groups_open -= 1
            if not self._groups_open:
                self._no_group_open.set()

    async def _admit(self, events: Sequence[Any]) -> list[Any]:
        """Return the events that come next; left out are those of a lost partition."""
        admitted = []
        for event in events:
            message, place = event.message, event.message.tp
            if message.generation_id <= self._revoked_generation:
                continue
            if not self.progress.knows(place):
                first = await self._beginning(place, message.offset)
                self.progress.begin(place, first)
            match self.progress.admit(place, message.offset):
                case Admission.NEXT:
                    admitted.append(event)
                case Admission.HOLE:
                    raise StateDiverged(
                        f"{message.topic} partition {message.partition}: offset "
                        f"{message.offset} came, and not the ones before it"
                    )
        return admitted

    async def _beginning(self, tp: TP, offset: int) -> int:
        """Return the offset at which a partition goes on; it brought `offset` first."""
        # Where Faust sought to; it tells nobody else. Absent: nothing is committed.
        committed: int = self.consumer._committed_offset.get(tp) or 0  # noqa: SLF001
        if offset == committed:
            return committed
        if offset < committed:
            logger.warning("%s begins anew: the topic is another one.", tp)
            return offset
        # This waits behind the fetch that is under way (app/transport.py).
        earliest: int = (await self.consumer.earliest_offsets(tp))[tp]
        if earliest > committed > 0:
            lost = f"offsets {committed} to {earliest - 1}"
            logger.error("%s: %s were deleted before they were stored.", tp, lost)
        return max(committed, earliest)

    # Storing ------------------------------------------------------------------------

    async def store(self, table: Table, rows: Rows) -> Sequence[RefusedRow]:
        """Write rows, for as long as it takes; return those that the sink refuses."""
        patience = AsyncRetrying(
            retry=retry_if_exception_type(SinkUnavailable),
            wait=wait_random_exponential(
                multiplier=FIRST_RETRY_SECONDS_MAX,
                max=self.smartmeter.archive.retry_seconds_max,
            ),
            before_sleep=self._unavailable,
        )
        refused: Sequence[RefusedRow] = await patience(self.sink.write, table, rows)
        if self._trouble:
            logger.warning("Cassandra takes rows again.")
            self._trouble = ""
        return refused

    def _unavailable(self, attempt: RetryCallState) -> None:
        metrics.sink_unavailable()
        assert attempt.outcome is not None  # noqa: S101 - tenacity calls this after a failure
        self._complain(str(attempt.outcome.exception()))

    def _complain(self, detail: str) -> None:
        self._trouble = detail
        if time.monotonic() - self._complained > COMPLAIN_SECONDS:
            self._complained = time.monotonic()
            logger.warning("Nothing is stored for now, nor lost: %s", detail)

    # Committing ---------------------------------------------------------------------

    @Service.task
    async def _commit_regularly(self) -> None:
        async for _ in self.itertimer(COMMIT_SECONDS, name="archive_commit"):
            if not self.rebalancing:
                await self._commit()

    async def _commit(self) -> None:
        offsets = self.progress.committable()
        if not offsets:
            return
        begun = self.sensors.on_commit_initiated(self.consumer)
        # Not `commit`: that one commits what is acknowledged to Faust.
        if await self.consumer._commit(offsets):  # noqa: SLF001 - no public way
            self.progress.committed(offsets)
        self.sensors.on_commit_completed(self.consumer, begun)

    async def _revoked(self, *_: Any, **__: Any) -> None:
        await self._commit()
        self._revoked_generation = self.consumer_generation_id
        self.progress.forget()

    async def _last_commit(self, *_: Any, **__: Any) -> None:
        if self._groups_open and not self._trouble:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_GROUP_SECONDS_MAX):
                    await self._no_group_open.wait()
        await self._commit()

    # Health -------------------------------------------------------------------------

    def live(self) -> str:
        """Return what only a restart may mend: lag, and nothing moves."""
        seconds, positions = self._moved
        now = time.monotonic()
        if self._trouble or not any(self.lags().values()):
            self._moved = (now, {})
        elif positions != self.progress.positions:
            self._moved = (now, dict(self.progress.positions))
        elif now - seconds > self.smartmeter.archive.stalled_seconds:
            return f"nothing was stored for {now - seconds:.0f} s, and there is lag"
        return ""

    def ready(self) -> str:
        """Return why rows are not being stored now."""
        if self._trouble:
            return self._trouble
        return "" if self._assigned() else "no partitions yet"

    def lags(self) -> dict[int, int]:
        """Return the frames not stored yet, by partition of this worker."""
        name = self.topology.readings.name
        lags = {}
        for tp in self._assigned():
            end = self.consumer.highwater(tp) if tp.topic == name else None
            position = self.progress.positions.get(tp)
            if end is not None and position is not None:
                lags[tp.partition] = max(0, end - position)
        return lags

    def _assigned(self) -> set[TP]:
        return set() if self.rebalancing or not self._assignment else self._assignment


def new_app() -> Archive:
    """Return the archive stage with the settings of the environment."""
    values = settings.load()
    archive = values.archive
    return create_app(
        values,
        group=Topology(values).archive_group,
        web_host=archive.web_host,
        web_bind=archive.web_host,
        web_port=archive.web_port,
        identity="",
        autodiscover=["agents.archive"],
        kind=Archive,
        # An outage holds a group open: neither shutdown nor a rebalance waits for it.
        stream_wait_empty=False,
        stream_buffer_maxsize=STREAM_BUFFER_FRAMES,
        consumer_max_fetch_size=FETCH_BYTES_MAX,
        broker_max_poll_interval=POLL_SECONDS_MAX,
    )


app = new_app()
