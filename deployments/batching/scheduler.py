"""Batches jobs of all live requests and runs them on the engine's threads.

One task per engine worker takes the next fair batch, runs it, and hands the results out. While every worker is
busy batches form by themselves; an idle worker waits a few milliseconds for company if the configuration says
so. A request that leaves takes its waiting jobs with it.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, Protocol

from deployments.batching.fair_queue import FairQueue, Limit
from deployments.errors import InternalError
from deployments.process import lower_priority

STUCK_AFTER_S = 300.0
FAILURES_IN_A_ROW = 5  # batches after which the engine is taken to be broken


class BatchRunner(Protocol):
    """What the scheduler needs of an engine."""

    def run(self, jobs: Sequence[Any]) -> list[Any]:
        """Run jobs of one key; one result per job. Blocks."""


class BatchedJob(Protocol):
    """A unit of work; jobs of equal keys may share a batch."""

    @property
    def key(self) -> object:
        """What must be equal within a batch."""


class Scheduler:
    """Runs jobs in fair batches. ``close`` before the event loop ends.

    ``max_batch`` is the largest batch, or tells it for a key.
    """

    def __init__(
        self,
        engine: BatchRunner,
        *,
        workers: int = 1,
        max_batch: int | Callable[[Any], int] = 8,
        max_wait_s: float = 0.005,
    ) -> None:
        self._engine = engine
        self._limit: Limit = max_batch if callable(max_batch) else lambda _: max_batch
        self._max_wait_s = max_wait_s
        self._queue: FairQueue[tuple[BatchedJob, asyncio.Future[Any]]] = FairQueue()
        self._work = asyncio.Condition()
        self._running: dict[int, float] = {}
        self._failures = 0
        self._executor: Executor = ThreadPoolExecutor(workers, "engine", initializer=lower_priority)
        self._workers = [asyncio.create_task(self._serve(i)) for i in range(workers)]

    @contextlib.contextmanager
    def request(self, owner: Hashable) -> Iterator[None]:
        """The span in which ``owner`` may run jobs; leaving it drops those that still wait."""
        self._queue.join(owner)
        try:
            yield
        finally:
            self._queue.leave(owner)

    async def run(self, owner: Hashable, job: BatchedJob) -> Any:
        """Wait for a job's result. Cancelling the wait drops the job if it has not begun."""
        (result,) = await self.run_all(owner, [job])
        return result

    async def run_all(self, owner: Hashable, jobs: Sequence[BatchedJob]) -> list[Any]:
        """Wait for the results of several jobs, in their order. The first failure drops those that still wait."""
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Any]] = [loop.create_future() for _ in jobs]
        for job, future in zip(jobs, futures, strict=True):
            self._queue.push(owner, job.key, (job, future))
        try:
            async with self._work:
                self._work.notify(len(jobs))
            return await asyncio.gather(*futures)
        finally:
            for future in futures:
                future.cancel()

    def check(self) -> None:
        """Raise RuntimeError if a worker has died, a batch hangs, or nothing but failures came of late."""
        if any(task.done() for task in self._workers):
            raise RuntimeError("a scheduler task has ended")
        longest = max((time.monotonic() - since for since in self._running.values()), default=0.0)
        if longest > STUCK_AFTER_S:
            raise RuntimeError(f"a batch has been running for {longest:.0f} s")
        if self._failures >= FAILURES_IN_A_ROW:
            raise RuntimeError(f"the last {self._failures} batches failed")

    async def close(self) -> None:
        """Stop after the running batches; waiting jobs are cancelled."""
        for task in self._workers:
            task.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        for batch in iter(lambda: self._queue.next_batch(self._limit), []):
            for _, future in batch:
                future.cancel()
        await asyncio.to_thread(self._executor.shutdown)

    async def _serve(self, worker: int) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._next_batch()
            if not batch:
                continue
            self._running[worker] = time.monotonic()
            try:
                results = await loop.run_in_executor(self._executor, self._engine.run, [job for job, _ in batch])
            except Exception as error:
                self._failures += 1
                await self._run_alone(batch, error)
            else:
                self._failures = 0
                for (_, future), result in zip(batch, results, strict=True):
                    if not future.done():
                        future.set_result(result)
            finally:
                self._running.pop(worker, None)
                for _, future in batch:
                    future.cancel()  # only if the scheduler is closing; all others are done

    async def _next_batch(self) -> list[tuple[BatchedJob, asyncio.Future[Any]]]:
        idle = not self._queue
        async with self._work:
            await self._work.wait_for(lambda: len(self._queue) > 0)
        if idle and self._max_wait_s > 0 and not self._queue.fills_a_batch(self._limit):
            await asyncio.sleep(self._max_wait_s)
        return [entry for entry in self._queue.next_batch(self._limit) if not entry[1].done()]

    async def _run_alone(self, batch: list[tuple[BatchedJob, asyncio.Future[Any]]], error: Exception) -> None:
        """A batch failed: run its jobs one by one, so that one request's bad job fails that request only."""
        loop = asyncio.get_running_loop()
        for job, future in batch:
            if future.done():
                continue
            failure: Exception | None = error
            if len(batch) > 1:
                try:
                    result = (await loop.run_in_executor(self._executor, self._engine.run, [job]))[0]
                    failure, self._failures = None, 0
                except Exception as alone:
                    failure = alone
            if future.done():
                continue
            if failure is None:
                future.set_result(result)
            else:
                cause = InternalError("The model failed on this request. The log has the details.")
                cause.__cause__ = failure
                future.set_exception(cause)
