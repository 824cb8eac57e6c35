"""Jobs in memory: what the routes need, without a database and without runners."""

import asyncio
import dataclasses
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from deployments.errors import AntiphonError
from serve_app.config.jobs import EndpointConfig
from serve_app.contracts.contract import Chunk, Item, JobProgress, JobResult
from serve_app.gateway.model_index import ModelIndex
from serve_app.jobs.endpoints import Endpoints
from serve_app.jobs.protocol import JobRequest
from serve_app.jobs.types import Batch, EndpointHealth, Job, JobConflict, JobNotFound, StreamPage
from tests.serve_app.http.stub import MODELS

STEP_S = 0.005
NAMED = {"strict": EndpointConfig(model="sample-classifier", http_errors=True)}
Work = Callable[[Any], AsyncIterator[Item]]


class FakeJobs:
    """Jobs whose work is ``work``; None leaves them in the queue, so that a test moves them by ``change``."""

    def __init__(self) -> None:
        self.endpoints = Endpoints(ModelIndex(MODELS), NAMED)
        self.reset()

    def reset(self) -> None:
        """As if nothing had happened."""
        self.work: Work | None = None
        self.page_chunks = 1_000
        self.jobs: dict[str, Job] = {}
        self.requests: dict[str, JobRequest] = {}
        self.keys: dict[tuple[str, str], str] = {}
        self.chunks: dict[str, list[Any]] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.kept: dict[str, float | None] = {}
        self.drafts: dict[str, Batch] = {}
        self.entries: dict[str, dict[str, JobRequest]] = {}
        self.failure: BaseException | None = None
        self.waiting = self.streaming = 0

    def change(self, job_id: str, **changes: Any) -> Job:
        found = dataclasses.replace(self.jobs[job_id], **changes)
        self.jobs[job_id] = dataclasses.replace(found, revision=found.revision + 1)
        return self.jobs[job_id]

    @property
    def only(self) -> Job:
        (job,) = self.jobs.values()
        return job

    async def submit(
        self, endpoint: str, request: JobRequest, *, sync: bool = False, idempotency_key: str | None = None
    ) -> Job:
        if self.failure is not None:
            raise self.failure
        self.endpoints.resolve(endpoint)
        known = self.keys.get((endpoint, idempotency_key)) if idempotency_key else None
        if known is not None:
            return dataclasses.replace(self.jobs[known], output=None)
        now = time.time()
        job_id = ("sync-" if sync else "") + str(uuid.uuid4())
        job = Job(job_id, endpoint, "IN_QUEUE", now, now + 60, request.options, sync)
        self.jobs[job_id], self.requests[job_id], self.chunks[job_id] = job, request, []
        if idempotency_key:
            self.keys[endpoint, idempotency_key] = job_id
        if self.work is not None:
            self.tasks[job_id] = asyncio.create_task(self._run(job_id, self.work))
        return job

    async def _run(self, job_id: str, work: Work) -> None:
        output: Any = None
        everything: list[Any] = []
        self.change(job_id, status="IN_PROGRESS", started=time.time(), worker="worker")
        try:
            async for item in work(self.requests[job_id].input):
                match item:
                    case Chunk():
                        everything.append(item.value)
                        self.chunks[job_id].append(item.value)
                    case JobProgress():
                        self.change(job_id, output=item.value)
                    case JobResult():
                        output = item.value
        except AntiphonError as error:
            ending: dict[str, Any] = {"status": "FAILED", "error": error.message, "error_status": error.status}
        else:
            ending = {"status": "COMPLETED", "output": everything if output is None else output}
        self.change(job_id, finished=time.time(), **ending)

    async def get(self, endpoint: str, job_id: str, *, keep_s: float | None = None) -> Job:
        self.endpoints.resolve(endpoint)
        job = self.jobs.get(job_id)
        if job is None or job.endpoint != endpoint:
            raise JobNotFound(f"There is no job {job_id[:64]!r}, or its result has expired.")
        self.kept[job_id] = keep_s
        return job

    async def wait(self, endpoint: str, job_id: str, timeout_s: float) -> Job:
        limit = time.monotonic() + timeout_s
        self.waiting += 1
        try:
            while not (job := await self.get(endpoint, job_id)).final and time.monotonic() < limit:
                await asyncio.sleep(STEP_S)
        finally:
            self.waiting -= 1
        return job

    async def stream(self, endpoint: str, job_id: str, hold_s: float) -> StreamPage:
        limit = time.monotonic() + hold_s
        self.streaming += 1
        try:
            while True:
                job = await self.get(endpoint, job_id)
                if self.chunks[job_id] or job.final or time.monotonic() >= limit:
                    page = tuple(self.chunks[job_id][: self.page_chunks])
                    del self.chunks[job_id][: self.page_chunks]
                    more = bool(self.chunks[job_id])
                    job = dataclasses.replace(job, output=None)
                    return StreamPage(dataclasses.replace(job, status="IN_PROGRESS") if more else job, page)
                await asyncio.sleep(STEP_S)
        finally:
            self.streaming -= 1

    async def cancel(self, endpoint: str, job_id: str) -> Job:
        job = await self.get(endpoint, job_id)
        if job.final:
            return job
        if (task := self.tasks.get(job_id)) is not None:
            task.cancel()
        return self.change(job_id, status="CANCELLED", finished=time.time(), output=None)

    async def retry(self, endpoint: str, job_id: str) -> Job:
        job = await self.get(endpoint, job_id)
        if job.status not in ("FAILED", "TIMED_OUT"):
            raise JobConflict(f"The job is {job.status}; only FAILED and TIMED_OUT jobs can be retried.")
        return self.change(job_id, status="IN_QUEUE", error=None, retries=job.retries + 1)

    async def purge(self, endpoint: str) -> int:
        queued = [job.id for job in self.jobs.values() if (job.endpoint, job.status) == (endpoint, "IN_QUEUE")]
        for job_id in queued:
            del self.jobs[job_id]
        return len(queued)

    async def health(self, endpoint: str) -> EndpointHealth:
        counted = [job.status for job in self.jobs.values() if job.endpoint == endpoint]
        return EndpointHealth(
            counted.count("COMPLETED"),
            counted.count("FAILED"),
            0,
            counted.count("IN_PROGRESS"),
            counted.count("IN_QUEUE"),
            {"idle": 1, "running": 0},
        )

    async def recent(self, endpoint: str, limit: int) -> Sequence[Job]:
        found = [dataclasses.replace(job, output=None) for job in self.jobs.values() if job.endpoint == endpoint]
        return found[::-1][:limit]

    async def create_batch(self, endpoint: str, requests: Sequence[JobRequest]) -> Batch:
        batch_id = str(uuid.uuid4())
        self.entries[batch_id] = {}
        self.drafts[batch_id] = Batch(batch_id, endpoint, "DRAFT", time.time())
        return await self.add_to_batch(endpoint, batch_id, requests)

    async def batches(self, endpoint: str) -> Sequence[Batch]:
        return [batch for batch in self.drafts.values() if batch.endpoint == endpoint][::-1]

    async def batch(self, endpoint: str, batch_id: str) -> Batch:
        if batch_id not in self.drafts or self.drafts[batch_id].endpoint != endpoint:
            raise JobNotFound(f"There is no batch {batch_id[:64]!r}.")
        return self.drafts[batch_id]

    async def add_to_batch(self, endpoint: str, batch_id: str, requests: Sequence[JobRequest]) -> Batch:
        batch = await self.batch(endpoint, batch_id)
        if batch.status != "DRAFT":
            raise JobConflict(f"The batch is {batch.status}; only a DRAFT takes requests.")
        self.entries[batch_id].update({str(uuid.uuid4()): request for request in requests})
        return self._batch_now(batch_id, status="DRAFT")

    async def batch_requests(
        self, endpoint: str, batch_id: str, offset: int, limit: int
    ) -> tuple[Sequence[Mapping[str, Any]], int]:
        await self.batch(endpoint, batch_id)
        found = [{"id": key, "input": request.input} for key, request in self.entries[batch_id].items()]
        return found[offset : offset + limit], len(found)

    async def change_in_batch(
        self, endpoint: str, batch_id: str, request_id: str, request: JobRequest | None
    ) -> None:
        await self.batch(endpoint, batch_id)
        if request_id not in self.entries[batch_id]:
            raise JobNotFound(f"There is no request {request_id[:64]!r} in the batch.")
        if request is None:
            del self.entries[batch_id][request_id]
        else:
            self.entries[batch_id][request_id] = request
        self._batch_now(batch_id, status="DRAFT")

    async def finalize_batch(self, endpoint: str, batch_id: str) -> Batch:
        await self.batch(endpoint, batch_id)
        for request in self.entries[batch_id].values():
            await self.submit(endpoint, request)
        return self._batch_now(batch_id, status="FINALIZED")

    async def cancel_batch(self, endpoint: str, batch_id: str) -> Batch:
        await self.batch(endpoint, batch_id)
        return self._batch_now(batch_id, status="CANCELLED")

    def _batch_now(self, batch_id: str, **changes: Any) -> Batch:
        total = len(self.entries[batch_id])
        self.drafts[batch_id] = dataclasses.replace(self.drafts[batch_id], total=total, **changes)
        return self.drafts[batch_id]
