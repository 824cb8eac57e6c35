"""The job service: what its entrances can ask for, on rows that any runner works off."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from deployments.errors import InternalError
from serve_app.concurrency import shielded
from serve_app.config.jobs import JobsConfig
from serve_app.gateway.gateway import Gateway
from serve_app.jobs.batches import Batches
from serve_app.jobs.endpoints import Endpoints
from serve_app.jobs.envelope import job_notice
from serve_app.jobs.protocol import JobRequest
from serve_app.jobs.runner_client import NoRunner, RunnerNotifier
from serve_app.jobs.storage import counts, job_rows
from serve_app.jobs.storage.job_rows import CHUNKS, StoredJob
from serve_app.jobs.storage.store import JobStore
from serve_app.jobs.storage.watch import JobWatch
from serve_app.jobs.types import EndpointHealth, Job, StreamPage
from serve_app.jobs.webhooks import queue
from serve_app.jobs.webhooks.webhook import rows_of


class JobService(Batches):
    """Implements ``protocol.Jobs``; batches are in the base."""

    def __init__(
        self,
        config: JobsConfig,
        store: JobStore,
        gateway: Gateway,
        runner: RunnerNotifier | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        endpoints = Endpoints(gateway.models, config.endpoints)
        super().__init__(store, endpoints, runner or NoRunner(), clock, config.keep_s, config.queue_jobs)
        self._config, self._gateway = config, gateway
        self._work: dict[str, asyncio.Task[None]] = {}  # of jobs that somebody waits for
        self._watch = JobWatch(store.database)

    async def submit(
        self, endpoint: str, request: JobRequest, *, sync: bool = False, idempotency_key: str | None = None
    ) -> Job:
        """See Jobs."""
        self.endpoints.resolve(endpoint)
        job = await shielded(self._add(endpoint, request, sync, idempotency_key))
        if sync:
            work = self._work[job.id] = asyncio.create_task(self._runner.work(job.id))
            work.add_done_callback(lambda _: self._work.pop(job.id, None))
        else:
            self._runner.wake(False)
        return job

    async def _add(self, endpoint: str, request: JobRequest, sync: bool, key: str | None) -> Job:
        now = self._clock()
        job_id = f"{'sync-' if sync else ''}{uuid.uuid4()}{job_rows.SUFFIX}"
        job = Job(job_id, endpoint, "IN_QUEUE", now, now + request.options.ttl_s, request.options, sync)
        cell = await self._payloads.cell(job_id, request.input)

        def add(connection: Connection) -> Job:
            if key is not None:
                known = job_rows.find_by_key(connection, endpoint, key, now)
                if known is not None:
                    return known
            if counts.waiting(connection, endpoint) >= self._queue_jobs:
                raise self._full(endpoint)
            job_rows.add(connection, job, cell, key)
            return job

        try:
            try:
                kept = await self._database.run(add)
            except IntegrityError:  # the same key at the same moment
                kept = await self._database.run(add)
        except Exception:
            await self._payloads.delete([job_id])
            raise
        if kept.id != job_id:
            await self._payloads.delete([job_id])
        return kept

    async def get(self, endpoint: str, job_id: str, *, keep_s: float | None = None) -> Job:
        """See Jobs."""
        self.endpoints.resolve(endpoint)
        now = self._clock()

        def find(connection: Connection) -> tuple[StoredJob, list[str]]:
            stored = job_rows.find(connection, endpoint, job_id, now)
            if keep_s is not None and stored.job.final:
                job_rows.keep(connection, job_id, now + keep_s)
            return stored, job_rows.chunk_cells(connection, job_id) if stored.output == CHUNKS else []

        stored, cells = await self._database.run(find, reads=keep_s is None)
        return replace(stored.job, output=await self._output(stored, cells))

    async def wait(self, endpoint: str, job_id: str, timeout_s: float) -> Job:
        """See Jobs."""
        until = self._clock() + timeout_s
        if (work := self._work.get(job_id)) is not None:
            await asyncio.wait({work}, timeout=timeout_s)
        while True:
            job = await self.get(endpoint, job_id)
            left = until - self._clock()
            if job.final or left <= 0:
                return job
            await self._watch.change(job_id, job.revision, left)

    async def stream(self, endpoint: str, job_id: str, hold_s: float) -> StreamPage:
        """See Jobs."""
        self.endpoints.resolve(endpoint)
        until = self._clock() + hold_s
        while True:
            now = self._clock()
            stored = await self._database.run(
                lambda c, now=now: job_rows.find_stream(c, endpoint, job_id, now),  # type: ignore[misc]
                reads=True,
            )
            if stored.undrained:
                cells, last = await self._database.run(lambda c: job_rows.drain(c, job_id))
                chunks = tuple([await self._payloads.value(cell) for cell in cells])
                job = stored.job if last else replace(stored.job, status="IN_PROGRESS")
                return StreamPage(job, chunks)
            if stored.job.final or now >= until:
                return StreamPage(stored.job, ())
            await self._watch.change(job_id, stored.job.revision, until - now)

    async def cancel(self, endpoint: str, job_id: str) -> Job:
        """See Jobs."""
        self.endpoints.resolve(endpoint)
        now = self._clock()
        before = await self._database.run(lambda c: job_rows.find(c, endpoint, job_id, now), reads=True)
        job_input = await self._payloads.value(before.input) if before.job.options.webhook else None

        cancelled = replace(before.job, status="CANCELLED", finished=now)
        rows = await asyncio.to_thread(rows_of, job_id, job_notice(cancelled, job_input), now)

        def cancel(connection: Connection) -> Job:
            was = job_rows.find(connection, endpoint, job_id, now, lock=True).job
            if was.final:
                return was
            queue.add(connection, rows)
            return job_rows.cancel(connection, endpoint, job_id, now, self._keep_s).job

        job = await self._database.run(cancel)
        self._runner.wake(True)
        return job

    async def retry(self, endpoint: str, job_id: str) -> Job:
        """See Jobs."""
        self.endpoints.resolve(endpoint)
        now = self._clock()
        job = (await self._database.run(lambda c: job_rows.retry(c, endpoint, job_id, now))).job
        self._runner.wake(False)
        return job

    async def purge(self, endpoint: str) -> int:
        """See Jobs."""
        self.endpoints.resolve(endpoint)
        gone = await self._database.run(lambda c: job_rows.purge(c, endpoint))
        await self._payloads.delete(gone)
        return len(gone)

    async def health(self, endpoint: str) -> EndpointHealth:
        """See Jobs."""
        model = self._gateway.models.find(self.endpoints.resolve(endpoint).model)
        task = self.endpoints.resolve(endpoint).task
        model = model or self._gateway.models.default(task)
        states = await self._gateway.states()
        ever, now = await self._database.run(
            lambda c: (counts.ever(c, endpoint), counts.by_status(c, endpoint)), reads=True
        )
        workers = Counter({"idle": 0, "initializing": 0, "ready": 0, "running": 0, "throttled": 0, "unhealthy": 0})
        if model is not None and model.id in states:
            state = states[model.id]
            if state.phase == "failed":
                workers["unhealthy"] += 1
            elif not state.ready:
                workers["initializing"] += 1
            else:
                workers["ready"] += 1
                workers["running" if state.active_requests else "idle"] += 1
        return EndpointHealth(
            completed=ever["completed"],
            failed=ever["failed"],
            retried=ever["retried"],
            in_progress=now.get("IN_PROGRESS", 0),
            in_queue=now.get("IN_QUEUE", 0),
            workers=dict(workers),
        )

    async def recent(self, endpoint: str, limit: int) -> Sequence[Job]:
        """See Jobs."""
        self.endpoints.resolve(endpoint)
        now = self._clock()
        return await self._database.run(lambda c: job_rows.recent(c, endpoint, now, limit), reads=True)

    def close(self) -> None:
        """Stop watching; those who wait get what there is when their time is over."""
        self._watch.close()
        for work in self._work.values():
            work.cancel()

    async def _output(self, stored: StoredJob, cells: Sequence[str]) -> Any:
        try:
            if stored.output == CHUNKS:
                return [await self._payloads.value(cell) for cell in cells]
            return None if stored.output is None else await self._payloads.value(stored.output)
        except KeyError as error:
            raise InternalError("The job's output is no longer in the server's storage.") from error
