"""Asking Cassandra's nodes for their virtual tables, each node for its own."""

import asyncio
from typing import Any

from app.errors import SinkUnavailable
from app.metrics import cassandra as metrics
from app.metrics.cassandra import NodeFigures
from app.metrics.families import Sample
from app.sinks import session as sessions
from app.topology import Topology

__all__ = ["CassandraNodes"]

NODES_MAX = 50  # asked in one round


class CassandraNodes:
    """The nodes of the cluster that the archive stage writes to.

    The driver blocks, so it is asked in a thread. One that takes too long is waited for
    by the next round, so that threads never pile up.
    """

    def __init__(self, topology: Topology, timeout_seconds: float) -> None:
        archive = topology.settings.archive
        self._keyspace = topology.keyspace
        self._timeout = timeout_seconds
        self._archive = archive.model_copy(update={"timeout_seconds": timeout_seconds})
        self._session: Any = None
        self._round: asyncio.Future[list[Sample]] | None = None

    async def read(self) -> list[Sample]:
        """Return the samples of all nodes that are up.

        Raises:
            SinkUnavailable: None answers.
            SettingsError: It refuses the user or the password.
            RejectedQuery: It refuses a statement; before Cassandra 5, tables lack.
        """
        if self._round is None:
            self._round = asyncio.ensure_future(asyncio.to_thread(self._ask))
        try:
            return await asyncio.shield(self._round)
        finally:
            if self._round.done():
                self._round = None

    async def close(self) -> None:
        """Close the connections, once nothing is asked any more."""
        if self._round is not None:
            await asyncio.gather(self._round, return_exceptions=True)
        if self._session is not None:
            await asyncio.to_thread(sessions.close, self._session)

    def _ask(self) -> list[Sample]:
        if self._session is None:
            self._session = sessions.connect(self._archive)
        hosts = list(self._session.cluster.metadata.all_hosts())
        up = [host for host in hosts if host.is_up][:NODES_MAX]
        if not up:
            raise SinkUnavailable("no node of Cassandra is up")
        samples = list(metrics.nodes_samples(len(up), len(hosts) - len(up)))
        for host in up:
            samples += metrics.node_samples(self._node(host))
        return samples

    def _node(self, host: Any) -> NodeFigures:
        rows = {}
        with sessions.driver_errors():
            for table, statement in metrics.QUERIES.items():
                values = (self._keyspace,) if "%s" in statement else None
                answer = self._session.execute(
                    statement, values, host=host, timeout=self._timeout
                )
                rows[table] = [row._asdict() for row in answer]
        return NodeFigures(str(host.endpoint), rows)
