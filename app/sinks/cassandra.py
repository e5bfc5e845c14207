"""The sink that is Cassandra: batches of one partition, bounded in flight."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from cassandra import ConsistencyLevel
from cassandra.cluster import ResponseFuture
from cassandra.protocol import (
    BatchMessage,
    ProtocolHandler,
    write_byte,
    write_consistency_level,
    write_int,
    write_long,
    write_short,
)
from cassandra.query import BatchStatement, BatchType, PreparedStatement

from app.errors import SinkUnavailable
from app.settings.archive import Archive
from app.sinks import schema
from app.sinks import session as sessions
from app.sinks.base import RefusedRow, Rows
from app.sinks.packing import Batch, Limits, pack
from app.sinks.tables import TABLES, Table

__all__ = ["CassandraSink"]

INT_FLAGS_VERSION = 5  # of the native protocol
TIMESTAMP_FLAG = 0x20
ANSWER_SLACK_SECONDS = 5.0
RESEND_SECONDS = (0.1, 0.5)

logger = logging.getLogger(__name__)


class CassandraSink:
    """Upserts rows as unlogged batches of one partition each.

    Nothing blocks the event loop: what the driver does at length runs in a thread, and
    its answers come back through the loop. Connects at `start`, and again at `write`
    if `start` found nobody.
    """

    def __init__(
        self, archive: Archive, keyspace: str, tables: Sequence[Table] = TABLES
    ) -> None:
        self._archive = archive
        self._keyspace = keyspace
        self._tables = tables
        self._limits = Limits(
            rows=archive.batch_rows_max, bytes=archive.batch_bytes_max
        )
        self._level = ConsistencyLevel.name_to_value[archive.consistency]
        self._slots = asyncio.Semaphore(archive.in_flight_batches_max)
        self._opening = asyncio.Lock()
        self._session: sessions.Session | None = None
        self._statements: dict[str, PreparedStatement] = {}
        self._stopped = False

    async def start(self) -> None:
        """Connect, check the schema, prepare the statements."""
        self._stopped = False
        await self._opened()

    async def stop(self) -> None:
        """Close the session."""
        self._stopped = True
        session, self._session = self._session, None
        if session is not None:
            await asyncio.to_thread(sessions.close, session)

    async def write(self, table: Table, rows: Rows) -> Sequence[RefusedRow]:
        """Write rows as batches, many at once; bisect those that are refused."""
        session = await self._opened()
        query_id: bytes = self._statements[table.name].query_id
        waiting = pack(table, rows, query_id, self._limits)
        refused: list[RefusedRow] = []
        while waiting:
            failed = await self._failures(session, waiting)
            if failed:
                # A table that was dropped or altered refuses any row: not their fault.
                await asyncio.to_thread(self._check, session)
            waiting = []
            for batch, detail in failed:
                if len(batch.rows) > 1:
                    waiting += batch.halves()
                else:
                    refused.append(RefusedRow(int(batch.rows[0]), detail))
        return refused

    async def _failures(
        self, session: sessions.Session, batches: Sequence[Batch]
    ) -> list[tuple[Batch, str]]:
        """Send batches; return those that were refused, and why.

        One that a busy server lets time out is sent again, and only that one: to begin
        with all of them again would keep the server busy.
        """
        refused: list[tuple[Batch, str]] = []
        for pause_seconds in (*RESEND_SECONDS, None):
            answers = await self._send_all(session, batches)
            failed = [(b, e) for b, e in zip(batches, answers, strict=True) if e]
            refused += [
                (batch, sessions.summary(error))
                for batch, error in failed
                if sessions.is_refusal(error)
            ]
            late = [(b, error) for b, error in failed if not sessions.is_refusal(error)]
            if not late:
                break
            if pause_seconds is None:
                raise SinkUnavailable(f"Cassandra: {sessions.summary(late[0][1])}")
            batches = [batch for batch, _ in late]
            await asyncio.sleep(pause_seconds)
        return refused

    async def _opened(self) -> sessions.Session:
        if self._session is None:
            async with self._opening:
                if self._stopped:
                    raise SinkUnavailable("the sink is stopped")
                if self._session is None:
                    self._session = await asyncio.to_thread(self._open)
        return self._session

    def _open(self) -> sessions.Session:
        session = sessions.connect(self._archive)
        try:
            self._check(session)
            session.client_protocol_handler = PackedProtocolHandler
            with sessions.driver_errors():
                for table in self._tables:
                    statement = session.prepare(table.insert(self._keyspace))
                    self._statements[table.name] = statement
        except BaseException:
            sessions.close(session)
            raise
        return session

    def _check(self, session: sessions.Session) -> None:
        schema.check(session, self._keyspace, self._tables)

    async def _send_all(
        self, session: sessions.Session, batches: Sequence[Batch]
    ) -> list[BaseException | None]:
        """Send batches and return each one's error, once all are answered."""
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[BaseException | None]] = []
        # The driver answers in time or says that it did not; this is a second belt.
        limit = self._archive.timeout_seconds + ANSWER_SLACK_SECONDS
        try:
            for batch in batches:
                await asyncio.wait_for(self._slots.acquire(), limit)
                answer = loop.create_future()
                answers.append(answer)
                self._send(session, batch, _answering(loop, answer, self._slots))
            return await asyncio.wait_for(asyncio.gather(*answers), limit)
        except TimeoutError:
            raise SinkUnavailable("Cassandra: no answer, not even an error") from None

    def _send(
        self,
        session: sessions.Session,
        batch: Batch,
        done: Callable[[BaseException | None], None],
    ) -> None:
        try:
            sent: ResponseFuture = session.execute_async(
                PackedStatement(batch, self._keyspace, self._level)
            )
        except Exception as error:  # noqa: BLE001 - a session that shuts down raises anything
            done(error)
        else:
            sent.add_callbacks(lambda _: done(None), done)


def _answering(
    loop: asyncio.AbstractEventLoop,
    answer: "asyncio.Future[BaseException | None]",
    slots: asyncio.Semaphore,
) -> Callable[[BaseException | None], None]:
    """Return what hands an answer from the driver's thread to the event loop."""

    def settle(error: BaseException | None) -> None:
        slots.release()
        if not answer.done():
            answer.set_result(error)

    def done(error: BaseException | None) -> None:
        try:
            loop.call_soon_threadsafe(settle, error)
        except RuntimeError:
            logger.debug("An answer came after the event loop had closed.")

    return done


class PackedQueries:
    """Bound statements that are encoded already, where the driver expects a list."""

    __slots__ = ("body", "count")

    def __init__(self, batch: Batch) -> None:
        self.body = batch.body
        self.count = len(batch.rows)

    def __len__(self) -> int:
        return self.count


class PackedStatement(BatchStatement):
    """A batch whose statements are encoded already."""

    def __init__(self, batch: Batch, keyspace: str, level: int) -> None:
        super().__init__(BatchType.UNLOGGED, consistency_level=level)
        self._statements_and_parameters = PackedQueries(batch)
        self._routing_key = batch.routing_key
        self.keyspace = keyspace  # with the routing key, this finds the replicas
        self.is_idempotent = True


class PackedMessage(BatchMessage):
    """A BATCH message that writes packed statements as they are."""

    def send_body(
        self, f: Any, protocol_version: int, protocol_features: Any = None
    ) -> None:
        """Write the body: type, statements, consistency, flags and write time."""
        del protocol_features
        write_byte(f, self.batch_type.value)
        write_short(f, len(self.queries))
        f.write(self.queries.body)
        write_consistency_level(f, self.consistency_level)
        flags = 0 if self.timestamp is None else TIMESTAMP_FLAG
        if protocol_version >= INT_FLAGS_VERSION:
            write_int(f, flags)
        else:
            write_byte(f, flags)
        if self.timestamp is not None:
            write_long(f, self.timestamp)


class PackedProtocolHandler(ProtocolHandler):
    """The driver's protocol, with packed batches."""

    @classmethod
    def encode_message(cls, msg: Any, *args: Any, **options: Any) -> bytes:
        """Encode a message; one that is a packed batch by way of PackedMessage."""
        if isinstance(getattr(msg, "queries", None), PackedQueries):
            msg.__class__ = PackedMessage
        encoded: bytes = super().encode_message(msg, *args, **options)
        return encoded
