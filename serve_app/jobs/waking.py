"""Telling a runner in another process that there is something to do. It would find out by itself, a bit later."""

import asyncio
import contextlib

from deployments.calls import Handle

PATIENCE_S = 5.0


class Waking:
    """Calls a runner's ``wake`` without waiting; several calls at once are one."""

    def __init__(self, runner: Handle) -> None:
        self._runner = runner
        self._on_its_way: dict[bool, asyncio.Task[None]] = {}
        self._again: set[bool] = set()

    def __call__(self, cancelled: bool) -> None:
        """Tell it. Needs a running event loop."""
        if cancelled in self._on_its_way:
            self._again.add(cancelled)
            return
        task = asyncio.create_task(self._call(cancelled))
        self._on_its_way[cancelled] = task
        task.add_done_callback(lambda _: self._arrived(cancelled))

    async def _call(self, cancelled: bool) -> None:
        with contextlib.suppress(Exception):  # no runner is there at the moment; the next one looks by itself
            async with asyncio.timeout(PATIENCE_S):
                await self._runner.wake.remote(cancelled)

    def _arrived(self, cancelled: bool) -> None:
        del self._on_its_way[cancelled]
        if cancelled in self._again:
            self._again.discard(cancelled)
            self(cancelled)
