"""How the road runs: every topic with its rate and age, every stage with its lag.

Offsets are asked of Kafka when somebody looks, at most once a second, and two looks
make a rate. So the page costs nothing while nobody looks, and then takes a second
until it knows how fast things go.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aiohttp import web
from aiokafka.errors import KafkaError

from app.topology import Topic, Topology
from app.views.answers import common, json_response
from app.views.worker import Positions, Worker

__all__ = ["Pipeline"]

LOOK_SECONDS_MIN = 1.0
LOOKS_KEPT = 6
LOOK_SECONDS_MAX = 15.0  # an older look says nothing of how fast things go now


class Pipeline:
    """The topics and the stages that read them."""

    def __init__(
        self, worker: Worker, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._worker = worker
        self._topology = Topology(worker.settings)
        self._clock = clock
        self._looks: deque[tuple[float, Positions]] = deque(maxlen=LOOKS_KEPT)
        self._grew_at: dict[str, float] = {}
        self._looking = asyncio.Lock()

    @property
    def routes(self) -> list[web.RouteDef]:
        """The paths."""
        return [web.get("/api/v1/pipeline", self.answer)]

    async def answer(self, _: web.Request) -> web.Response:
        """Answer with what flows where; 503 while Kafka does not answer."""
        try:
            await self._look()
        except (KafkaError, TimeoutError) as error:
            reason = f"Kafka does not answer: {error!r}"
            return await json_response({"status": 503, "error": reason}, status=503)
        return await json_response({**common(self._worker), **self.figures()})

    async def _look(self) -> None:
        async with self._looking:
            if self._looks and self._clock() - self._looks[-1][0] < LOOK_SECONDS_MIN:
                return
            positions = await self._worker.positions()
            self.add(positions)

    def add(self, positions: Positions) -> None:
        """Take a look at Kafka's offsets."""
        now = self._clock()
        while self._looks and now - self._looks[0][0] > LOOK_SECONDS_MAX:
            self._looks.popleft()
        if self._looks:
            before = self._looks[-1][1]
            for topic in self._topology.topics:
                if _end(positions, topic) > _end(before, topic):
                    self._grew_at[topic.name] = now
        self._looks.append((now, positions))

    def figures(self) -> dict[str, Any]:
        """Return topics in the order of the road, and who reads them."""
        topology = self._topology
        readers = {
            topology.live_group: "live workers",
            topology.archive_group: "archive workers",
            topology.results_group: "bridge, back to NATS",
        }
        return {
            "topics": [self._topic(topic) for topic in topology.topics],
            "readers": [
                self._reader(group, words, topic)
                for topic in topology.topics
                for group, words in readers.items()
                if self._reads(group, topic)
            ],
        }

    def _topic(self, topic: Topic) -> dict[str, Any]:
        grew_at = self._grew_at.get(topic.name)
        return {
            "topic": topic.name,
            "help": topic.help,
            "partitions": topic.partitions,
            "records_count": _end(self._looks[-1][1], topic),
            "records_per_second": self._rate(lambda look: _end(look, topic)),
            "grew_seconds_ago": (
                None if grew_at is None else round(self._looks[-1][0] - grew_at, 1)
            ),
        }

    def _reads(self, group: str, topic: Topic) -> bool:
        return any(
            (group, topic.name, number) in self._looks[-1][1].committed
            for number in range(topic.partitions)
        )

    def _reader(self, group: str, words: str, topic: Topic) -> dict[str, Any]:
        latest = self._looks[-1][1]
        return {
            "topic": topic.name,
            "group": group,
            "reader": words,
            "lag_records": _lag(latest, group, topic),
            "records_per_second": self._rate(
                lambda look: sum(_committed(look, group, topic).values())
            ),
        }

    def _rate(self, value: Callable[[Positions], int]) -> float | None:
        (begin, first), (end, last) = self._looks[0], self._looks[-1]
        if end <= begin:
            return None
        return round(max(value(last) - value(first), 0) / (end - begin), 1)


def _numbers(topic: Topic) -> Iterable[int]:
    return range(topic.partitions)


def _end(look: Positions, topic: Topic) -> int:
    return sum(look.ends.get((topic.name, number), 0) for number in _numbers(topic))


def _committed(look: Positions, group: str, topic: Topic) -> Mapping[int, int]:
    return {
        number: look.committed[group, topic.name, number]
        for number in _numbers(topic)
        if (group, topic.name, number) in look.committed
    }


def _lag(look: Positions, group: str, topic: Topic) -> int:
    committed = _committed(look, group, topic)
    return sum(
        max(look.ends.get((topic.name, number), 0) - max(offset, 0), 0)
        for number, offset in committed.items()
    )
