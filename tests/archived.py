"""A road with an archive worker alone: records come straight from the test."""

import asyncio
from calendar import timegm

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from app.domain.readings import EXTRA_COLUMNS
from app.sinks import schema
from app.sinks import session as sessions
from tests.frames import rows_expected
from tests.road import Road

__all__ = ["Archived"]


class Archived(Road):
    """A road with an archive worker alone: records come straight from the test."""

    def __init__(self, environ, folder):
        super().__init__(environ, folder)
        self.session = sessions.connect(self.settings.archive)
        schema.apply(self.session, self.topology.keyspace, self.settings.archive, print)

    def __exit__(self, *details):
        super().__exit__(*details)
        self.session.execute(f"DROP KEYSPACE {self.topology.keyspace}", timeout=60)
        sessions.close(self.session)

    def produce(self, topic, records):
        asyncio.run(self._produce(topic, records))

    async def _produce(self, topic, records):
        producer = AIOKafkaProducer(
            bootstrap_servers=self.settings.kafka.servers, linger_ms=5
        )
        await producer.start()
        try:
            sent = [
                await producer.send(topic.name, value, partition=partition)
                for partition, value in records
            ]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    def select(self, table, columns="*"):
        query = f"SELECT {columns} FROM {self.topology.keyspace}.{table}"
        return [row._asdict() for row in self.session.execute(query)]

    def count(self, table="raw_data"):
        return self.select(table, "count(*) AS count")[0]["count"]

    def partition_sums(self):
        """Return count and sum of voltages by partition: (line, transformer, day)."""
        table = f"{self.topology.keyspace}.raw_data"
        key = "line, transformer, year, month, day"
        keys = self.session.execute(f"SELECT DISTINCT {key} FROM {table}", timeout=60)
        where = "line=%s AND transformer=%s AND year=%s AND month=%s AND day=%s"
        query = (
            f"SELECT count(*) AS count, sum(CAST(voltage AS double)) AS total "
            f"FROM {table} WHERE {where}"
        )
        sums = {}
        for found in keys:
            row = self.session.execute(query, tuple(found), timeout=60).one()
            sums[tuple(found)] = (row.count, row.total)
        return sums

    def raw_data(self):
        """Return the readings by meter and second."""
        found = {}
        for row in self.select("raw_data"):
            calendar = ("year", "month", "day", "hour", "minute", "second")
            moment = timegm(tuple(row[name] for name in calendar))
            key = (row["line"], row["transformer"], row["usagepoint"], moment)
            columns = ("line", "transformer", "usagepoint", "voltage", *EXTRA_COLUMNS)
            found[key] = {name: row[name] for name in columns} | {"timestamp": moment}
        return found

    def expect(self, rows):
        """Wait until all is committed, then compare every value of every reading."""
        expected = rows_expected(rows)
        self.wait_for(lambda: not asyncio.run(self._uncommitted()), "the last commit")
        found = self.raw_data()
        assert expected.keys() == found.keys()
        assert expected == found

    def tries_that_failed(self):
        """Return how often Cassandra was found away; 0 while there are no pages yet."""
        try:
            return self.metric("archive", "smartmeter_archive_failed_writes_total")
        except OSError:
            return 0

    async def _uncommitted(self):
        """Return how many frames the group has not committed yet."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka.servers,
            group_id=self.topology.archive_group,
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            topic = self.topology.readings
            places = [TopicPartition(topic.name, n) for n in range(topic.partitions)]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            committed = {place: await consumer.committed(place) for place in places}
            return sum(ends[place] - (committed[place] or 0) for place in places)
        finally:
            await consumer.stop()
