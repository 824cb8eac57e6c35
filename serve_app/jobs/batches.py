"""Batches: drafts of many jobs, queued at once."""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from serve_app.jobs import batch_rows, job_rows
from serve_app.jobs.endpoints import Endpoints
from serve_app.jobs.envelope import envelope
from serve_app.jobs.service_protocol import JobRequest
from serve_app.jobs.store import JobStore
from serve_app.jobs.types import WEEK_S, Batch, Job
from serve_app.jobs.waking import Waker

MOST_REQUESTS, MOST_ACTIVE = 5_000, 10


class Batches:
    """The part of the job service that is about batches."""

    def __init__(
        self,
        store: JobStore,
        endpoints: Endpoints,
        waker: Waker,
        clock: Callable[[], float] = time.time,
        keep_s: float = 1_800.0,
    ) -> None:
        self.endpoints = endpoints
        self._database, self._payloads = store.database, store.payloads
        self._waker, self._clock, self._keep_s = waker, clock, keep_s

    async def create_batch(self, endpoint: str, requests: Sequence[JobRequest]) -> Batch:
        """See Jobs."""
        self.endpoints.resolve(endpoint)
        now = self._clock()
        batch = Batch(f"batch-{uuid.uuid4()}", endpoint, "DRAFT", now)
        rows = await self._drafts(requests)

        def create(connection: Connection) -> Batch:
            batch_rows.add(connection, batch, now + WEEK_S, MOST_ACTIVE)
            batch_rows.add_drafts(connection, batch.id, rows, MOST_REQUESTS)
            return batch_rows.find(connection, endpoint, batch.id, now)

        return await self._database.run(create)

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
        rows = await self._drafts(requests)

        def add(connection: Connection) -> Batch:
            batch_rows.check_draft(connection, endpoint, batch_id, now)
            batch_rows.add_drafts(connection, batch_id, rows, MOST_REQUESTS)
            return batch_rows.find(connection, endpoint, batch_id, now)

        return await self._database.run(add)

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
        found = await self._database.run(lambda c: batch_rows.jobs_of(c, batch_id, offset, limit), reads=True)
        return [envelope(job) for job in found], batch.total

    async def change_in_batch(
        self, endpoint: str, batch_id: str, request_id: str, request: JobRequest | None
    ) -> None:
        """See Jobs."""
        self.endpoints.resolve(endpoint)
        now = self._clock()
        row = None if request is None else (await self._drafts([request]))[0]

        def change(connection: Connection) -> None:
            batch_rows.check_draft(connection, endpoint, batch_id, now)
            batch_rows.change_draft(connection, batch_id, request_id, row)

        await self._database.run(change)

    async def finalize_batch(self, endpoint: str, batch_id: str) -> Batch:
        """See Jobs."""
        self.endpoints.resolve(endpoint)
        now = self._clock()

        def finalize(connection: Connection) -> Batch:
            batch_rows.check_draft(connection, endpoint, batch_id, now)
            for key, cell, options in batch_rows.take_drafts(connection, batch_id):
                job = Job(key, endpoint, "IN_QUEUE", now, now + options.ttl_s, options)
                job_rows.add(connection, job, cell)
            batch_rows.set_status(connection, batch_id, "FINALIZED")
            return batch_rows.find(connection, endpoint, batch_id, now)

        batch = await self._database.run(finalize)
        self._waker.wake(False)
        return batch

    async def cancel_batch(self, endpoint: str, batch_id: str) -> Batch:
        """See Jobs."""
        self.endpoints.resolve(endpoint)
        now = self._clock()

        def cancel(connection: Connection) -> Batch:
            batch_rows.find(connection, endpoint, batch_id, now)
            batch_rows.set_status(connection, batch_id, "CANCELLED")
            job_rows.cancel_batch(connection, batch_id, now, self._keep_s)
            return batch_rows.find(connection, endpoint, batch_id, now)

        batch = await self._database.run(cancel)
        self._waker.wake(True)
        return batch

    async def _drafts(self, requests: Sequence[JobRequest]) -> list[batch_rows.Draft]:
        """Drafts under the ids that their jobs will have."""
        found = []
        for request in requests:
            key = f"{uuid.uuid4()}{job_rows.SUFFIX}"
            found.append((key, await self._payloads.cell(key, request.input), request.options))
        return found
