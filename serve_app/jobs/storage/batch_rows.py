"""Batches and their drafts as rows. Every function works within the transaction it is given."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from serve_app.jobs.options import JobOptions
from serve_app.jobs.storage.job_rows import is_id, options_of, options_text, stored_job
from serve_app.jobs.storage.payloads import size_of
from serve_app.jobs.storage.tables import batches, drafts, jobs
from serve_app.jobs.types import Batch, BatchStatus, Job, JobConflict, JobNotFound

TAKEN_AT_ONCE = 200
PAGE_BYTES = 8 * 1024**2

Draft = tuple[str, str, JobOptions]
"""Id of the job to be, cell of its input, options."""


def add(connection: Connection, batch: Batch, expires: float, most_active: int) -> None:
    """A new draft. Raises JobConflict if the endpoint has too many that are not done."""
    active = [b for b in all_of(connection, batch.endpoint, batch.created) if not done(b)]
    if len(active) >= most_active:
        raise JobConflict(f"The endpoint has {len(active)} batches that are not done; finish or cancel one first.")
    row = {"id": batch.id, "endpoint": batch.endpoint, "status": batch.status, "created": batch.created}
    connection.execute(insert(batches).values({**row, "expires": expires}))


def done(batch: Batch) -> bool:
    """Whether nothing of a batch is left to do."""
    if batch.status == "FINALIZED":
        return batch.completed + batch.failed >= batch.total
    return batch.status != "DRAFT"


def find(connection: Connection, endpoint: str, batch_id: str, now: float, *, lock: bool = False) -> Batch:
    """A batch with its counters; nobody else changes it if it is to ``lock``. Raises JobNotFound."""
    wanted = select(batches).where(
        batches.c.id == batch_id, batches.c.endpoint == endpoint, batches.c.expires > now
    )
    row = connection.execute(wanted.with_for_update() if lock else wanted).first() if is_id(batch_id) else None
    if row is None:
        raise JobNotFound(f"There is no batch {batch_id[:80]!r} of the endpoint {endpoint!r}.")
    return _counted(connection, row)


def all_of(connection: Connection, endpoint: str, now: float) -> list[Batch]:
    """All batches of an endpoint, newest first."""
    wanted = select(batches).where(batches.c.endpoint == endpoint, batches.c.expires > now)
    rows = connection.execute(wanted.order_by(batches.c.created.desc()).limit(1_000)).all()
    return [_counted(connection, row) for row in rows]


def check_draft(
    connection: Connection, endpoint: str, batch_id: str, now: float, draft_id: str | None = None
) -> None:
    """Raise JobConflict unless the batch is a draft, JobNotFound if there is none, or no such request in it.
    Nobody else changes the batch until the end of the transaction.
    """
    batch = find(connection, endpoint, batch_id, now, lock=True)
    if batch.status != "DRAFT":
        raise JobConflict(f"The batch is {batch.status}; only a DRAFT can be changed.")
    mine = select(drafts.c.id).where(drafts.c.batch == batch_id, drafts.c.id == draft_id)
    if draft_id is not None and not (is_id(draft_id) and connection.execute(mine).first()):
        raise JobNotFound(f"The batch has no request {draft_id[:80]!r}.")


def add_drafts(connection: Connection, batch_id: str, rows: Sequence[Draft], most: int) -> None:
    """More requests. Raises JobConflict if they are too many in all."""
    known = select(func.count(), func.coalesce(func.max(drafts.c.number), -1)).where(drafts.c.batch == batch_id)
    count, last = connection.execute(known).one()
    if count + len(rows) > most:
        raise JobConflict(f"A batch holds at most {most} requests; this one would have {count + len(rows)}.")
    new = [
        {"batch": batch_id, "number": last + 1 + at, "id": key, "input": cell, "options": _text(options, batch_id)}
        for at, (key, cell, options) in enumerate(rows)
    ]
    if new:
        connection.execute(insert(drafts), new)


def change_draft(connection: Connection, batch_id: str, draft_id: str, row: Draft | None) -> None:
    """Replace a request, which keeps its id, or remove it."""
    mine = (drafts.c.batch == batch_id) & (drafts.c.id == draft_id)
    if row is None:
        connection.execute(delete(drafts).where(mine))
    else:
        values = {"input": row[1], "options": _text(row[2], batch_id)}
        connection.execute(update(drafts).where(mine).values(values))


def drafts_of(connection: Connection, batch_id: str, offset: int, limit: int) -> list[tuple[str, str]]:
    """Ids and input cells of a page of requests, which may be shorter than wanted if they are big."""
    wanted = select(drafts.c.id, drafts.c.input).where(drafts.c.batch == batch_id).order_by(drafts.c.number)
    page: list[tuple[str, str]] = []
    size = 0
    for key, cell in connection.execute(wanted.offset(offset).limit(limit)):
        size += size_of(cell)
        if page and size > PAGE_BYTES:
            break
        page.append((key, cell))
    return page


def take_drafts(connection: Connection, batch_id: str) -> list[Draft]:
    """The first requests, which are drafts no longer; none if there are no more."""
    wanted = select(drafts).where(drafts.c.batch == batch_id).order_by(drafts.c.number).limit(TAKEN_AT_ONCE)
    rows = connection.execute(wanted).all()
    if rows:
        taken = (drafts.c.batch == batch_id) & (drafts.c.number <= rows[-1].number)
        connection.execute(delete(drafts).where(taken))
    return [(row.id, row.input, options_of(row.options)) for row in rows]


def jobs_of(connection: Connection, batch_id: str, offset: int, limit: int) -> list[Job]:
    """A page of a batch's jobs, without outputs."""
    wanted = select(jobs).where(jobs.c.batch == batch_id).order_by(jobs.c.rank, jobs.c.id)
    return [stored_job(row).job for row in connection.execute(wanted.offset(offset).limit(limit))]


def set_status(connection: Connection, batch_id: str, status: BatchStatus) -> None:
    """Change what the batch is."""
    connection.execute(update(batches).where(batches.c.id == batch_id).values(status=status))


def _counted(connection: Connection, row: Row[tuple[object, ...]]) -> Batch:
    batch = Batch(row.id, row.endpoint, row.status, row.created)
    if batch.status == "DRAFT":
        total = connection.execute(select(func.count()).where(drafts.c.batch == batch.id)).scalar_one()
        return replace(batch, total=total)
    by_status = select(jobs.c.status, func.count()).where(jobs.c.batch == batch.id).group_by(jobs.c.status)
    numbers = {str(status): int(number) for status, number in connection.execute(by_status)}
    completed = numbers.get("COMPLETED", 0) + row.completed
    failed = sum(numbers.get(status, 0) for status in ("FAILED", "TIMED_OUT", "CANCELLED")) + row.failed
    total = sum(numbers.values()) + row.completed + row.failed
    progress = numbers.get("IN_PROGRESS", 0)
    return replace(batch, total=total, in_progress=progress, completed=completed, failed=failed)


def _text(options: JobOptions, batch_id: str) -> str:
    return options_text(replace(options, batch=batch_id))
