"""The lanes that this bridge carries right now, each as a task that is kept at work."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bridge.stream import StreamMissing
from bridge.supervision import Part, Trouble, keep, reasons

__all__ = ["Lanes"]

CANCEL_SECONDS_MAX = 2.0


@dataclass(slots=True)
class _Carried:
    """A lane, and what else falls to its owner, at work."""

    parts: Sequence[Part]
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    trouble: Trouble = field(default_factory=Trouble)
    task: "asyncio.Task[None] | None" = None


class Lanes:
    """Starts and ends the work of lanes, as the roster says."""

    def __init__(
        self, parts_of: Callable[[int], Sequence[Part]], on_left: Callable[[], None]
    ) -> None:
        """Make lanes of the parts of each; on_left is called when one has been left."""
        self._parts_of = parts_of
        self._on_left = on_left
        self._carried: dict[int, _Carried] = {}
        self.left: set[int] = set()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def carried(self) -> set[int]:
        """The lanes whose work has not ended."""
        return set(self._carried)

    @property
    def trouble(self) -> str:
        """What keeps some lane from its work; empty if nothing does."""
        for lane, carried in sorted(self._carried.items()):
            if carried.trouble.text:
                return str(carried.trouble)
            if not all(part.is_reading for part in carried.parts):
                return f"lane {lane} has not begun yet"
        return ""

    def take(self, lane: int) -> None:
        """Begin the work of a lane."""
        carried = _Carried(self._parts_of(lane))
        self._carried[lane] = carried
        carried.task = asyncio.create_task(self._carry(lane, carried))

    def leave(self, lane: int) -> None:
        """Carry to its end what was taken of a lane, and let it go then."""
        self._carried[lane].stopping.set()

    async def drop(self, lanes: set[int]) -> None:
        """End the work of lanes at once: they are another's."""
        tasks = [
            carried.task
            for lane in lanes
            if (carried := self._carried.get(lane)) and carried.task
        ]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CANCEL_SECONDS_MAX)

    async def leave_all(self, seconds_max: float) -> int:
        """Leave every lane; return how many were not carried to their end in time."""
        tasks = [c.task for c in self._carried.values() if c.task]
        for lane in self.carried:
            self.leave(lane)
        if tasks:
            await asyncio.wait(tasks, timeout=seconds_max)
        late = self.carried
        await self.drop(late)
        return len(late)

    async def _carry(self, lane: int, carried: _Carried) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for part in carried.parts:
                    name = f"lane {lane} ({type(part).__name__})"
                    work = keep(
                        name,
                        part.run,
                        carried.stopping,
                        carried.trouble,
                        hands_on=(StreamMissing,),
                    )
                    group.create_task(work)
            self.left.add(lane)
        except Exception as error:  # noqa: BLE001 - handed on to whoever waits for us
            if not self.failed.done():
                self.failed.set_exception(next(reasons(error)))
        finally:
            if self._carried.get(lane) is carried:
                del self._carried[lane]
            self._on_left()
