"""What a job's work leaves behind, as long as the lease holds: chunks, progress, webhooks, and the end."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from serve_app.contracts.contract import Chunk, JobResult, Notice
from serve_app.jobs.envelope import job_notice
from serve_app.jobs.outputs import Outputs
from serve_app.jobs.storage import job_rows, leases
from serve_app.jobs.storage.database import Database
from serve_app.jobs.storage.leases import ChunkRow, Ending, Lease
from serve_app.jobs.storage.payloads import Payloads, size_of
from serve_app.jobs.types import Job
from serve_app.jobs.webhooks import queue
from serve_app.jobs.webhooks.webhook import Row, rows_of


class LeaseLost(Exception):
    """Another runner works on the job, or it has ended."""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """The record of one attempt. Every method but ``put_back`` raises LeaseLost if the lease is lost.

    ``keep_s`` is how long the job is kept after its end; ``on_notice`` is called when webhooks have been queued.
    """

    database: Database
    payloads: Payloads
    outputs: Outputs
    lease: Lease
    keep_s: float
    on_notice: Callable[[], None]

    @property
    def job(self) -> Job:
        """The job as it was when the attempt began."""
        return self.lease.job

    async def input(self) -> Any:
        """The job's input. Raises KeyError if it is gone."""
        return await self.payloads.value(self.lease.input)

    async def chunk(self, chunk: Chunk) -> None:
        """Add to the stream."""
        row = ChunkRow(await self.payloads.cell(self.job.id, chunk.value), chunk.lane, chunk.end)
        await self._fenced(lambda connection: leases.write(connection, self.lease, [row]))

    async def progress(self, value: Any) -> None:
        """Replace what clients see until there is an output."""
        cell = await self.payloads.cell(self.job.id, value)
        await self._fenced(lambda connection: leases.write(connection, self.lease, progress=cell))

    async def notify(self, notice: Notice, now: float) -> None:
        """Queue a webhook, unless an earlier attempt has queued one of the same event."""

        rows = await self._rows([notice], now)

        def add(connection: Connection) -> bool:
            return leases.write(connection, self.lease) and _queue(connection, self.lease, rows)

        await self._fenced(add)
        self.on_notice()

    async def complete(
        self, result: JobResult | None, job_input: Any, notices: Sequence[Notice], clock: Callable[[], float]
    ) -> None:
        """End the job with its result, or with the list of its chunks, or with a link to either if it is big.
        ``notices`` are the webhooks about it.

        Raises any ``AntiphonError`` if it cannot be uploaded.
        """
        wants_value = result is None and self.job.options.webhook is not None
        chunks = await self._chunks() if result is None else []
        if result is None and not wants_value and not self.outputs.uploads(self.job, sum(map(size_of, chunks))):
            await self._end(Ending("COMPLETED", job_rows.CHUNKS), None, job_input, notices, clock())
            return
        if result is not None:
            output = await self.outputs.of(self.job, result)
        else:
            values = [await self.payloads.value(cell) for cell in chunks]
            output = await self.outputs.uploaded(self.job, values)
        ending = Ending("COMPLETED", await self.payloads.cell(self.job.id, output))
        await self._end(ending, output, job_input, notices, clock())  # an upload may have taken a while

    async def end(self, ending: Ending, job_input: Any, notices: Sequence[Notice], now: float) -> None:
        """End the job without an output. ``notices`` are the webhooks about it."""
        await self._end(ending, None, job_input, notices, now)

    async def put_back(self, until: float, *, counted: bool) -> None:
        """Leave the job to another attempt, which begins after ``until``."""
        await self.database.run(lambda c: leases.put_back(c, self.lease, until, counted=counted))

    async def _chunks(self) -> list[str]:
        return await self.database.run(lambda c: job_rows.chunk_cells(c, self.job.id), reads=True)

    async def _end(
        self, ending: Ending, output: Any, job_input: Any, notices: Sequence[Notice], now: float
    ) -> None:
        ended = replace(self.job, status=ending.status, output=output, error=ending.error, finished=now)
        rows = await self._rows([*notices, *job_notice(ended, job_input)], now)

        def finish(connection: Connection) -> bool:
            ok = leases.finish(connection, self.lease, ending, now, self.keep_s)
            return ok and _queue(connection, self.lease, rows)

        await self._fenced(finish)
        if rows:
            self.on_notice()

    async def _rows(self, notices: Sequence[Notice], now: float) -> list[Row]:
        return await asyncio.to_thread(rows_of, self.job.id, notices, now) if notices else []

    async def _fenced(self, work: Callable[[Connection], bool]) -> None:
        if not await self.database.run(work):
            raise LeaseLost


def _queue(connection: Connection, lease: Lease, rows: Sequence[Row]) -> bool:
    if rows:
        queued = leases.queued_events(connection, lease, [row["event"] for row in rows])
        queue.add(connection, [row for row in rows if row["event"] not in queued])
    return True
