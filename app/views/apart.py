"""Work on rows: many of them apart from the event loop, few of them here and now."""

import asyncio
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

__all__ = ["ROWS_HERE_MAX", "apart"]

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")

ROWS_HERE_MAX = 2_000


async def apart(
    rows: int, work: Callable[[*Arguments], Result], *arguments: *Arguments
) -> Result:
    """Do some work, in a thread where it is on many rows.

    A thread is no gift: the interpreter's lock changes hands twice, and where cores are
    busy that took 10 ms and more, longer than work on a thousand rows (measured: half
    of the answers at 200 questions a second took 30 ms with threads, 3 without).
    """
    if rows <= ROWS_HERE_MAX:
        return work(*arguments)
    return await asyncio.to_thread(work, *arguments)
