"""Progress of a job, told in order and never after its result.

The SDK's own ``progress_update`` starts a thread for every call and forgets it, so that the last progress may come
after the result and take its place.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

logger = logging.getLogger("ray.serve")

SETTLE_S = 5.0  # a source that does not answer holds up a result for no longer


class ProgressPosts:
    """One post at a time. While it is on its way only the newest value waits."""

    def __init__(self, post: Callable[[Any], Awaitable[None]]) -> None:
        self._post = post
        self._waiting: list[Any] = []  # at most one
        self._posting: asyncio.Task[None] | None = None

    def tell(self, value: Any) -> None:
        """Post the value, soon."""
        if self._posting is None:
            self._posting = asyncio.create_task(self._post_all(value))
        else:
            self._waiting = [value]

    async def settle(self) -> None:
        """Return when nothing is on its way any more. What waits is dropped, because the result comes now."""
        self._waiting.clear()
        posting = self._posting
        if posting is not None:
            await asyncio.wait({posting}, timeout=SETTLE_S)
            posting.cancel()

    async def _post_all(self, value: Any) -> None:
        try:
            await self._post(value)
            while self._waiting:
                await self._post(self._waiting.pop())
        except Exception:  # progress is no reason for a job to fail
            logger.warning("progress could not be told", exc_info=True)
        finally:
            self._posting = None
