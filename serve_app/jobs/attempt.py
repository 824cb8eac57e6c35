"""One attempt at one job: its items and its outcome go into the record."""

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

from deployments.errors import AntiphonError, DeadlineExceeded, InternalError
from serve_app.contracts import choose
from serve_app.contracts.contract import Chunk, Contract, Item, JobContext, JobProgress, JobResult, Notice
from serve_app.contracts.patience import patiently
from serve_app.failures import error_for_client
from serve_app.jobs.endpoints import Endpoint
from serve_app.jobs.record import JobRecord, LeaseLost
from serve_app.jobs.retry_policy import is_timeout, retry_delay_s
from serve_app.jobs.storage.leases import Ending

logger = logging.getLogger("ray.serve")


@dataclass(slots=True)
class Attempt:
    """One attempt. ``most`` is how many a job has before our own failures are final."""

    record: JobRecord
    endpoint: Endpoint
    context: JobContext
    most: int
    clock: Callable[[], float]
    _input: Any = field(default=None, init=False)
    _contract: Contract | None = field(default=None, init=False)
    _last: list[Notice] = field(default_factory=list, init=False)

    async def run(self) -> None:
        """Work on the job until the attempt has ended. Raises LeaseLost, CancelledError, the database's errors."""
        try:
            result = await self._within_time()
            await self.record.complete(result, self._input, self._last, self.clock)
        except LeaseLost:
            raise
        except Exception as error:
            await self._fail(error_for_client(error, self.record.job.id))

    async def _within_time(self) -> JobResult | None:
        assert self.context.deadline is not None
        self._input = await self.record.input()
        self._contract = choose(self._input, self.endpoint.task, self.endpoint.contract)
        if self.record.job.attempts >= self.most:
            raise InternalError(f"The server stopped {self.record.job.attempts} times during this job.")
        try:
            async with asyncio.timeout(self.context.deadline - self.clock()):
                return await self._work(self._contract)
        except TimeoutError as error:
            raise DeadlineExceeded("The job took longer than its execution timeout.") from error

    async def _work(self, contract: Contract) -> JobResult | None:
        """Record the items. A second run, after the model was full, begins from the start: what was stored before
        it is left out.
        """
        done = dict(self.record.lease.done)
        stored: dict[int, float] = {}

        def begin() -> AsyncGenerator[Item]:
            nonlocal stored
            stored, self._last = dict(done), []
            return contract.run(self._input, self.context)

        # The time is bounded around this, and so that it ends as TIMED_OUT.
        runs = patiently(begin, math.inf, commits=lambda item: False)
        async with contextlib.aclosing(runs) as items:
            async for item in items:
                match item:
                    case Chunk():
                        if not _lies_before(item, stored.get(item.lane)):
                            await self.record.chunk(item)
                            done[item.lane] = max(item.end, done.get(item.lane, item.end))
                    case JobProgress():
                        await self.record.progress(item.value)
                    case Notice() if item.with_end:
                        self._last.append(item)
                    case Notice():
                        await self.record.notify(item, self.clock())
                    case JobResult():
                        return item
        return None

    async def _fail(self, error: AntiphonError) -> None:
        late = is_timeout(error, self.clock(), self.context.deadline or 0)
        delay_s = None if late else retry_delay_s(error, self.record.job.attempts + 1, self.most)
        if delay_s is not None:
            await self.record.put_back(self.clock() + delay_s, counted=True)
            return
        notices = [] if self._contract is None else self._contract.failed(self._input, error, self.context)
        ending = Ending("TIMED_OUT" if late else "FAILED", error=error.message, error_status=error.status)
        await self.record.end(ending, self._input, list(notices), self.clock())


def _lies_before(chunk: Chunk, end: float | None) -> bool:
    return end is not None and (chunk.end <= end or (chunk.start + chunk.end) / 2 < end)
