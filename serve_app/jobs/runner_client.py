"""Notifies runners in other processes of work, which a runner sees without that about a second later."""

import asyncio
import contextlib
from typing import Protocol

from deployments.handle import Handle

PATIENCE_S = 5.0


class RunnerNotifier(Protocol):
    """How the job service reaches a runner."""

    def wake(self, cancelled: bool) -> None:
        """There is a new job, or one was cancelled. Must not block."""
        ...

    async def work(self, job_id: str) -> None:
        """There is a new job. Returns when a runner has ended its work on it, or at any time before that."""
        ...


class NoRunner:
    """Runners look for themselves."""

    def wake(self, cancelled: bool) -> None:
        """See RunnerNotifier."""

    async def work(self, job_id: str) -> None:
        """See RunnerNotifier."""


class RunnerClient:
    """Calls of a runner's deployment, without waiting for them; several at once are one."""

    def __init__(self, runner: Handle) -> None:
        self._runner = runner
        self._on_its_way: dict[bool, asyncio.Task[None]] = {}
        self._again: set[bool] = set()

    def wake(self, cancelled: bool) -> None:
        """See RunnerNotifier. Needs a running event loop."""
        if cancelled in self._on_its_way:
            self._again.add(cancelled)
            return
        task = asyncio.create_task(self._call(cancelled))
        self._on_its_way[cancelled] = task
        task.add_done_callback(lambda _: self._arrived(cancelled))

    async def work(self, job_id: str) -> None:
        """See RunnerNotifier."""
        call = self._runner.work.remote(job_id)
        try:
            with contextlib.suppress(Exception):  # the runner has died; another one takes over
                await call
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):
                call.cancel()
            raise

    async def _call(self, cancelled: bool) -> None:
        with contextlib.suppress(Exception):  # no runner is there at the moment; the next one looks by itself
            async with asyncio.timeout(PATIENCE_S):
                await self._runner.wake.remote(cancelled)

    def _arrived(self, cancelled: bool) -> None:
        del self._on_its_way[cancelled]
        if cancelled in self._again:
            self._again.discard(cancelled)
            self.wake(cancelled)
