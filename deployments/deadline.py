"""Deadlines of blocks and of streams: Unix times, so that they mean the same in every process."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, TypeVar

from deployments.errors import DeadlineExceeded

Item = TypeVar("Item")
_END: Any = object()
TOO_LATE = "The request took longer than it was given; its work was stopped."


@contextlib.asynccontextmanager
async def within(deadline: float | None, clock: Callable[[], float] = time.time) -> AsyncIterator[None]:
    """A block that DeadlineExceeded ends at the deadline, if there is one."""
    left = None if deadline is None else max(0.0, deadline - clock())
    try:
        async with asyncio.timeout(left) as limit:
            yield
    except TimeoutError as error:
        if limit.expired():
            raise DeadlineExceeded(TOO_LATE) from error
        raise


async def until(
    deadline: float | None, items: AsyncIterator[Item], clock: Callable[[], float] = time.time
) -> AsyncGenerator[Item]:
    """The items that arrive before the deadline; then DeadlineExceeded. Closes an async generator on leaving."""
    try:
        while True:
            left = None if deadline is None else max(0.0, deadline - clock())
            try:
                async with asyncio.timeout(left):
                    item = await anext(items, _END)
            except TimeoutError as error:
                raise DeadlineExceeded(TOO_LATE) from error
            if item is _END:
                return
            yield item
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            with contextlib.suppress(RuntimeError):  # already running: the timeout is closing it
                await close()
