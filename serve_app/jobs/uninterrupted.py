"""Work that goes on to its end when the one who waits for it leaves, so that nothing is half done."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_going_on: set[asyncio.Task[Any]] = set()


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, which is not cancelled with the caller."""
    task = asyncio.ensure_future(work)
    _going_on.add(task)
    task.add_done_callback(_ended)
    return await asyncio.shield(task)


def _ended(task: asyncio.Task[Any]) -> None:
    _going_on.discard(task)
    if not task.cancelled():
        task.exception()  # whoever waited has heard of it, or has left
