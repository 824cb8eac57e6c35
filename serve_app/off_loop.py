"""Work that may be too long for the event loop."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def off_loop(work: Callable[[], T], *, large: bool) -> T:
    """Result of ``work``, which is done on a thread if it is large, and at once if not."""
    return await asyncio.to_thread(work) if large else work()
