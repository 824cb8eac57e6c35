"""Batches: drafts of many jobs, queued at once."""

import itertools
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from deployments.errors import Overloaded
from serve_app.concurrency import shielded
from serve_app.jobs.endpoints import Endpoints
from serve_app.jobs.envelope import envelope, job_notice, without_output
from serve_app.jobs.options import WEEK_S
from serve_app.jobs.protocol import JobRequest
from serve_app.jobs.runner_client import RunnerNotifier
from serve_app.jobs.storage import batch_rows, counts, job_rows
from serve_app.jobs.storage.store import JobStore
from serve_app.jobs.types import MOST_REQUESTS, Batch, Job
from serve_app.jobs.webhooks import queue
from serve_app.jobs.webhooks.webhook import rows_of

FULL_RETRY_S = 10.0
MOST_ACTIVE = 10


class Batches:
    """The part of the job service that is about batches."""

    def __init__(
        self,
        store: JobStore,
        endpoints: Endpoints,
        runner: RunnerNotifier,
        clock: Callable[[], float],
        keep_s: float,
        queue_jobs: int,
    ) -> None:
        self.endpoints = endpoints
        self._database, self._payloads = store.database, store.payloads
        self._runner, self._clock, self._keep_s, self._queue_jobs = runner, clock, keep_s, queue_jobs

    async def create_batch(self, endpoint: str, requests: Sequence[JobRequest]) -> Batch:
        """See Jobs."""
        self.endpoints.resolve(endpoint)
        now = self._clock()
        batch = Batch(f"batch-{uuid.uuid4()}", endpoint, "DRAFT", now)

        def create(connection: Connection, rows: Sequence[batch_rows.Draft]) -> Batch:
            batch_rows.add(connection, batch, now + WEEK_S, MOST_ACTIVE)
            batch_rows.add_drafts(connection, batch.id, rows, MOST_REQUESTS)
            return batch_rows.find(connection, endpoint, batch.id, now)

        return await shielded(self._keep(requests, create))

    async def batches(self, endpoint: str) -> Sequence[Batch]:
        """See Jobs."""
        self.endpoints.resolve(endpoint)
        now = self._clock()
        return await self._database.run(lambda c: batch_rows.all_of(c, endpoint, now), reads=True)

    async def batch(self, endpoint: str, batch_id: str) -> Batch:
        """See Jobs."""
        self.endpoints.resolve(endpoint)
        now = self._clock()
        return await self._database.run(lambda c: batch_rows.find(c, endpoint, batch_id, now), reads=True)

    async def add_to_batch(self, endpoint: str, batch_id: str, requests: Sequence[JobRequest]) -> Batch:
        """See Jobs."""
        self.endpoints.resolve(endpoint)
        now = self._clock()

        def add(connection: Connection, rows: Sequence[batch_rows.Draft]) -> Batch:
            batch_rows.check_draft(connection, endpoint, batch_id, now)
            batch_rows.add_drafts(connection, batch_id, rows, MOST_REQUESTS)
            return batch_rows.find(connection, endpoint, batch_id, now)

        return await shielded(self._keep(requests, add))

    async def batch_requests(
        self, endpoint: str, batch_id: str, offset: int, limit: int
    ) -> tuple[Sequence[Mapping[str, Any]], int]:
        """See Jobs."""
        batch = await self.batch(endpoint, batch_id)
        if batch.status == "DRAFT":
            drafts = await self._database.run(
                lambda c: batch_rows.drafts_of(c, batch_id, offset, limit), reads=True
            )
            shown = [{"id": key, "input": await self._payloads.value(cell)} for key, cell in drafts]
            return shown, batch.total
        jobs = await self._database.run(lambda c: batch_rows.jobs_of(c, batch_id, offset, limit), reads=True)
        return [without_output(envelope(job)) for job in jobs], batch.total

    async def change_in_batch(
        self, endpoint: str, batch_id: str, request_id: str, request: JobRequest | None
    ) -> None:
        """See Jobs."""
        self.endpoints.resolve(endpoint)
        now = self._clock()

        def check(connection: Connection) -> None:
            batch_rows.check_draft(connection, endpoint, batch_id, now, request_id)

        await self._database.run(check)
        cell = None if request is None else await self._payloads.cell(request_id, request.input)

        def change(connection: Connection) -> None:
            check(connection)
            row = None if request is None or cell is None else (request_id, cell, request.options)
            batch_rows.change_draft(connection, batch_id, request_id, row)

        await self._database.run(change)
        if request is None:
            await self._payloads.delete([request_id])

    async def finalize_batch(self, endpoint: str, batch_id: str) -> Batch:
        """See Jobs."""
        self.endpoints.resolve(endpoint)
        now = self._clock()

        def finalize(connection: Connection) -> Batch:
            batch_rows.check_draft(connection, endpoint, batch_id, now)
            total = batch_rows.find(connection, endpoint, batch_id, now).total
            if counts.waiting(connection, endpoint) + total > self._queue_jobs:
                raise self._full(endpoint)
            places = itertools.count()
            while drafts := batch_rows.take_drafts(connection, batch_id):
                for key, cell, options in drafts:
                    job = Job(key, endpoint, "IN_QUEUE", now, now + options.ttl_s, options)
                    job_rows.add(connection, job, cell, place=next(places))
            batch_rows.set_status(connection, batch_id, "FINALIZED")
            return batch_rows.find(connection, endpoint, batch_id, now)

        batch = await self._database.run(finalize)
        self._runner.wake(False)
        return batch

    async def cancel_batch(self, endpoint: str, batch_id: str) -> Batch:
        """See Jobs."""
        self.endpoints.resolve(endpoint)
        now = self._clock()

        def cancel(connection: Connection) -> tuple[Batch, list[str]]:
            batch = batch_rows.find(connection, endpoint, batch_id, now, lock=True)
            if batch_rows.done(batch):
                return batch, []
            batch_rows.set_status(connection, batch_id, "CANCELLED")
            dropped: list[str] = []
            while drafts := batch_rows.take_drafts(connection, batch_id):
                dropped += [key for key, _, _ in drafts]
            for job in job_rows.cancel_batch(connection, batch_id, now, self._keep_s):
                queue.add(connection, rows_of(job.id, job_notice(job, None), now))
            return batch_rows.find(connection, endpoint, batch_id, now), dropped

        batch, dropped = await self._database.run(cancel)
        await self._payloads.delete(dropped)
        self._runner.wake(True)
        return batch

    async def _keep(
        self,
        requests: Sequence[JobRequest],
        work: Callable[[Connection, Sequence[batch_rows.Draft]], Batch],
    ) -> Batch:
        """What ``work`` makes of drafts, under the ids that their jobs will have."""
        rows: list[batch_rows.Draft] = []
        try:
            for request in requests:
                key = f"{uuid.uuid4()}{job_rows.SUFFIX}"
                rows.append((key, "", request.options))
                rows[-1] = key, await self._payloads.cell(key, request.input), request.options
            return await self._database.run(lambda connection: work(connection, rows))
        except Exception:
            await self._payloads.delete([key for key, _, _ in rows])
            raise

    def _full(self, endpoint: str) -> Overloaded:
        return Overloaded(
            f"The endpoint {endpoint!r} takes no more than {self._queue_jobs} waiting jobs; try again later.",
            retry_after_s=FULL_RETRY_S,
        )
