"""Jobs as rows, for those who send and read them. Every function works within the transaction it is given."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from serve_app.jobs.options import JobOptions, S3Target
from serve_app.jobs.storage import counts
from serve_app.jobs.storage.payloads import size_of
from serve_app.jobs.storage.tables import batches, chunks, drafts, jobs
from serve_app.jobs.types import FINAL, Job, JobConflict, JobNotFound

LOW_PRIORITY_S = 300.0  # a job of low priority stands behind all that come in this time; it never starves
AT_ONCE = 500  # ids in one statement
STREAM_PAGE_BYTES = 900_000  # RunPod's pages hold a megabyte
STREAM_PAGE_CHUNKS = 1_000
SUFFIX = "-u1"  # RunPod's ids end with the region
CHUNKS = "#"  # an output that is the list of the chunks


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job without its output, and the cells of its input and output."""

    job: Job
    input: str
    output: str | None


def add(connection: Connection, job: Job, input_cell: str, key: str | None = None, place: int = 0) -> None:
    """A new job; ``place`` orders those that are added at once."""
    row = {
        "id": job.id,
        "endpoint": job.endpoint,
        "status": job.status,
        "sync": job.sync,
        "options": options_text(job.options),
        "input": input_cell,
        "idempotency_key": key,
        "batch": job.options.batch,
        "created": job.created,
        "queued": job.created,
        "rank": job.created + (LOW_PRIORITY_S if job.options.low_priority else 0) + place * 1e-6,
        "expires": job.expires,
    }
    connection.execute(insert(jobs).values(row))


def find(connection: Connection, endpoint: str, job_id: str, now: float, *, lock: bool = False) -> StoredJob:
    """A job that has not expired; nobody else changes it if it is to ``lock``. Raises JobNotFound."""
    return stored_job(_row(connection, endpoint, job_id, now, lock=lock))


def _row(connection: Connection, endpoint: str, job_id: str, now: float, *, lock: bool = False) -> Row[Any]:
    wanted = select(jobs).where(jobs.c.id == job_id, jobs.c.endpoint == endpoint, jobs.c.expires > now)
    row = connection.execute(wanted.with_for_update() if lock else wanted).first() if is_id(job_id) else None
    if row is None:
        raise JobNotFound(f"There is no job {job_id[:80]!r} of the endpoint {endpoint!r}; it may have expired.")
    return row


def is_id(text: str) -> bool:
    """Whether a text can be an id: PostgreSQL refuses to be asked for some."""
    return text.isascii() and text.isprintable()


def find_by_key(connection: Connection, endpoint: str, key: str, now: float) -> Job | None:
    """The job that was sent with this idempotency key, unless it has expired or was cancelled."""
    wanted = select(jobs).where(jobs.c.endpoint == endpoint, jobs.c.idempotency_key == key)
    row = connection.execute(wanted.with_for_update()).first()
    if row is not None and (row.expires <= now or row.status == "CANCELLED"):
        connection.execute(update(jobs).where(jobs.c.id == row.id).values(idempotency_key=None))
        return None
    return None if row is None else stored_job(row).job


@dataclass(frozen=True, slots=True)
class StoredStream:
    """A job, and whether it has chunks that were not drained yet."""

    job: Job
    undrained: bool


def find_stream(connection: Connection, endpoint: str, job_id: str, now: float) -> StoredStream:
    """A job as its stream sees it. Raises JobNotFound."""
    row = _row(connection, endpoint, job_id, now)
    return StoredStream(stored_job(row).job, row.chunks > row.drained)


def keep(connection: Connection, job_id: str, until: float) -> None:
    """Keep a job until then."""
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(expires=until))


def chunk_cells(connection: Connection, job_id: str) -> list[str]:
    """The cells of all chunks, in order."""
    wanted = select(chunks.c.value).where(chunks.c.job == job_id).order_by(chunks.c.number)
    return list(connection.execute(wanted).scalars())


def drain(connection: Connection, job_id: str) -> tuple[list[str], bool]:
    """Cells of the chunks that were not drained yet, as many as fit a page, and whether these were the last."""
    state = connection.execute(select(jobs.c.drained, jobs.c.chunks).where(jobs.c.id == job_id).with_for_update())
    first, total = state.one()
    wanted = (
        select(chunks.c.number, chunks.c.value)
        .where(chunks.c.job == job_id, chunks.c.number >= first)
        .order_by(chunks.c.number)
        .limit(STREAM_PAGE_CHUNKS)
    )
    cells: list[str] = []
    size = 0
    for _, cell in connection.execute(wanted):
        size += size_of(cell)
        if cells and size > STREAM_PAGE_BYTES:
            break
        cells.append(cell)
    if cells:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(drained=first + len(cells)))
    return cells, first + len(cells) >= total


def cancel(connection: Connection, endpoint: str, job_id: str, now: float, keep_s: float) -> StoredJob:
    """Cancel a job unless it is final. A runner that works on it loses its lease. Raises JobNotFound."""
    stored = find(connection, endpoint, job_id, now, lock=True)
    if not stored.job.final:
        _cancel(connection, [job_id], now, keep_s)
        return find(connection, endpoint, job_id, now)
    return stored


def _cancel(connection: Connection, ids: Sequence[str], now: float, keep_s: float) -> None:
    changes = {
        "status": "CANCELLED",
        "finished": now,
        "expires": now + keep_s,
        "lease": None,
        "output": None,
        "revision": jobs.c.revision + 1,
    }
    wanted = update(jobs).where(jobs.c.id.in_(ids), jobs.c.status.not_in(FINAL))
    connection.execute(wanted.values(changes))


def cancel_batch(connection: Connection, batch: str, now: float, keep_s: float) -> list[Job]:
    """Cancel all jobs of a batch that are not final; these."""
    wanted = select(jobs).where(jobs.c.batch == batch, jobs.c.status.not_in(FINAL)).with_for_update()
    unfinished = [stored_job(row).job for row in connection.execute(wanted)]
    for start in range(0, len(unfinished), AT_ONCE):
        _cancel(connection, [job.id for job in unfinished[start : start + AT_ONCE]], now, keep_s)
    return [replace(job, status="CANCELLED", finished=now) for job in unfinished]


def retry(connection: Connection, endpoint: str, job_id: str, now: float) -> StoredJob:
    """Queue a failed job again; its output and chunks are dropped. Raises JobNotFound, JobConflict."""
    job = find(connection, endpoint, job_id, now, lock=True).job
    if job.status not in ("FAILED", "TIMED_OUT"):
        raise JobConflict(f"The job is {job.status}; only FAILED and TIMED_OUT jobs can be retried.")
    connection.execute(delete(chunks).where(chunks.c.job == job_id))
    changes: dict[str, Any] = {
        **dict.fromkeys(("output", "error", "error_status", "started", "finished", "worker", "lease")),
        **dict.fromkeys(("attempts", "chunks", "drained"), 0),
        "status": "IN_QUEUE",
        "queued": now,
        "rank": now + (LOW_PRIORITY_S if job.options.low_priority else 0),
        "expires": now + job.options.ttl_s,
        "retries": jobs.c.retries + 1,
        "revision": jobs.c.revision + 1,
    }
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(changes))
    counts.count(connection, endpoint, "retried")
    return find(connection, endpoint, job_id, now)


def purge(connection: Connection, endpoint: str) -> list[str]:
    """Drop all jobs of an endpoint that nobody has begun; their ids."""
    wanted = select(jobs.c.id).where(jobs.c.endpoint == endpoint, jobs.c.status == "IN_QUEUE").with_for_update()
    ids = list(connection.execute(wanted).scalars())
    delete_jobs(connection, ids)
    return ids


def delete_jobs(connection: Connection, ids: Sequence[str]) -> None:
    """Forget jobs and their chunks."""
    for start in range(0, len(ids), AT_ONCE):
        connection.execute(delete(jobs).where(jobs.c.id.in_(ids[start : start + AT_ONCE])))


def expired(connection: Connection, now: float, limit: int) -> list[str]:
    """Forget jobs and batches whose time is over, at most ``limit`` of each; ids of the jobs and drafts."""
    wanted = select(jobs.c.id, jobs.c.batch, jobs.c.status).where(jobs.c.expires <= now).limit(limit)
    rows = connection.execute(wanted.with_for_update(skip_locked=True)).all()
    for row in rows:
        if row.batch is not None:  # its counters go on counting it
            what = "completed" if row.status == "COMPLETED" else "failed"
            changes = {what: batches.c[what] + 1}
            connection.execute(update(batches).where(batches.c.id == row.batch).values(changes))
    ids = [str(row.id) for row in rows]
    delete_jobs(connection, ids)
    old = list(connection.execute(select(batches.c.id).where(batches.c.expires <= now).limit(limit)).scalars())
    ids += connection.execute(select(drafts.c.id).where(drafts.c.batch.in_(old))).scalars()
    connection.execute(delete(batches).where(batches.c.id.in_(old)))
    return ids


def recent(connection: Connection, endpoint: str, now: float, limit: int) -> list[Job]:
    """The newest jobs."""
    wanted = select(jobs).where(jobs.c.endpoint == endpoint, jobs.c.expires > now)
    rows = connection.execute(wanted.order_by(jobs.c.created.desc()).limit(limit))
    return [stored_job(row).job for row in rows]


def stored_job(row: Row[Any]) -> StoredJob:
    """What a row says."""
    job = Job(
        id=row.id,
        endpoint=row.endpoint,
        status=row.status,
        created=row.queued,
        expires=row.expires,
        options=options_of(row.options),
        sync=row.sync,
        started=row.started,
        finished=row.finished,
        error=row.error,
        error_status=row.error_status,
        worker=row.worker,
        attempts=row.attempts,
        retries=row.retries,
        revision=row.revision,
    )
    return StoredJob(job, row.input, row.output)


def options_text(options: JobOptions) -> str:
    """JSON of a job's options."""
    return json.dumps(asdict(options))


def options_of(text: str) -> JobOptions:
    """The same back."""
    values = json.loads(text)
    return JobOptions(**{**values, "s3": None if values["s3"] is None else S3Target(**values["s3"])})
