"""Several streams as one, a bounded number of them at a time."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Any, TypeVar

from serve_app.concurrency import cancel

Item = TypeVar("Item")
_END: Any = object()


async def interleaved(makers: Iterable[Callable[[], AsyncGenerator[Item]]], at_once: int) -> AsyncGenerator[Item]:
    """The items of all streams as they come, begun in order. Nothing runs ahead of the reader by more than
    ``at_once`` items. What one stream raises is raised here and ends the others; so does closing.
    """
    queue: asyncio.Queue[Item] = asyncio.Queue(at_once)
    waiting = iter(makers)

    async def work() -> None:
        for make in waiting:  # shared by all workers
            async with aclosing(make()) as items:
                async for item in items:
                    await queue.put(item)

    async def all_work() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(work())

    everything = asyncio.create_task(_unwrapped(all_work))
    try:
        while True:
            upcoming = asyncio.ensure_future(queue.get())
            try:
                await asyncio.wait({upcoming, everything}, return_when=asyncio.FIRST_COMPLETED)
                if not upcoming.done() and queue.empty():
                    break
                item = await upcoming
            finally:
                await cancel(upcoming)
            yield item
        everything.result()
    finally:
        await cancel(everything)


async def _unwrapped(work: Callable[[], Any]) -> None:
    """Work that raises the first one of a group of errors."""
    try:
        await work()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
