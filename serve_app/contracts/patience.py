"""Waiting while a model is full: accepted work is not refused for want of room, it waits and asks again."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

from deployments.errors import Overloaded

Item = TypeVar("Item")

SHORTEST_WAIT_S, LONGEST_WAIT_S = 0.05, 30.0  # before the model is asked again
WITHOUT_DEADLINE_S = 3_600.0  # waited altogether, where there is no deadline


async def patiently(
    begin: Callable[[], AsyncGenerator[Item]],
    deadline: float | None,
    clock: Callable[[], float] = time.time,
    *,
    commits: Callable[[Item], bool] = lambda item: True,
) -> AsyncGenerator[Item]:
    """The items of a stream, begun anew as long as it is refused for want of room. After an
    item that ``commits`` it is not: that one cannot be taken back. By default every item is one of these.

    Raises what the stream raises; Overloaded where the next try would come after ``deadline`` (Unix time, as
    ``clock`` gives it; None: in an hour).
    """
    latest = clock() + WITHOUT_DEADLINE_S if deadline is None else deadline
    committed = False
    while True:
        try:
            async with aclosing(begin()) as items:
                async for item in items:
                    committed = committed or commits(item)
                    yield item
            return
        except Overloaded as error:
            wait = min(max(SHORTEST_WAIT_S, error.retry_after_s), LONGEST_WAIT_S)
            if committed or clock() + wait > latest:
                raise
        await asyncio.sleep(wait)
