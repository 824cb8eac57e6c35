"""Work that leaves the event loop, work that its caller cannot interrupt, and tasks that are cancelled."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

LARGE_BYTES = 64 * 1024
"""The size from which on reading or writing a text or a body would hold up an event loop (bytes or characters)."""

_shielded: set[asyncio.Task[Any]] = set()


async def run_off_loop(work: Callable[[], T], *, large: bool) -> T:
    """Result of ``work``, which is done on a thread if it is large, and at once if not."""
    return await asyncio.to_thread(work) if large else work()


async def shielded(work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, which goes on to its end if the caller is cancelled: nothing is left half done."""
    task = asyncio.ensure_future(work)
    _shielded.add(task)
    task.add_done_callback(_ended)
    return await asyncio.shield(task)


async def cancel(*tasks: "asyncio.Future[Any]") -> None:
    """Cancel tasks and wait until they have ended; their outcome is of no interest."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _ended(task: asyncio.Task[Any]) -> None:
    _shielded.discard(task)
    if not task.cancelled():
        task.exception()  # whoever waited has heard of it, or has left
