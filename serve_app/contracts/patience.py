"""Work that is one of several in a job: when there is no room for it, it waits instead of failing the others."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

from deployments.errors import Overloaded
from serve_app.jobs.room import wait_for_room_s

Item = TypeVar("Item")

LONGEST_S = 3_600.0  # waited altogether, where there is no deadline


async def patiently(make: Callable[[], AsyncGenerator[Item]], deadline: float | None) -> AsyncGenerator[Item]:
    """The items of a stream, begun anew as long as it is refused for want of room before its first item.

    Raises what the stream raises; Overloaded where the next try would come after ``deadline`` (Unix time).
    """
    latest = time.time() + LONGEST_S if deadline is None else deadline
    while True:
        begun = False
        try:
            async with aclosing(make()) as items:
                async for item in items:
                    begun = True
                    yield item
            return
        except Overloaded as error:
            wait = wait_for_room_s(error)
            if begun or time.time() + wait > latest:
                raise
        await asyncio.sleep(wait)
