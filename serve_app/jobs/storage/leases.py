"""Jobs as rows, for those who work on them.

A runner may write to a job as long as its lease holds: the token in the row is its own, and the job is in
progress. Cancelling, expiring and taking over change the token, so that a runner that is too late writes nothing.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, Update, and_, func, insert, select, update

from serve_app.jobs.storage import counts
from serve_app.jobs.storage.job_rows import stored_job
from serve_app.jobs.storage.tables import chunks, jobs, webhooks
from serve_app.jobs.types import Job, JobStatus


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a job, whose ``attempts`` are those before this one. ``done`` says up to where the
    chunks of each lane are stored already.
    """

    job: Job
    token: str
    input: str
    done: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A chunk to be stored: its cell, its lane, and the end of what it covers."""

    cell: str
    lane: int
    until: float


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ends. ``output`` is a cell, or ``job_rows.CHUNKS``."""

    status: JobStatus
    output: str | None = None
    error: str | None = None
    error_status: int | None = None


def take(
    connection: Connection,
    room: int,
    free: Mapping[str, int],
    endpoints: Mapping[str, Sequence[str]],
    worker: str,
    now: float,
    lease_s: float,
) -> list[Lease]:
    """Leases of at most ``room`` jobs that wait, or whose runner has fallen silent.

    ``endpoints`` are those of a target, which share its queue; of every target at most as many are taken as it has
    ``free``. Targets that have jobs share the room; the first ones in ``free`` get what is odd.
    """
    taken: list[Lease] = []
    left = dict(free)
    silent = and_(jobs.c.status == "IN_PROGRESS", jobs.c.lease_until < now)
    for state in (silent, jobs.c.status == "IN_QUEUE"):
        waiting = set(connection.execute(select(jobs.c.endpoint).where(state).distinct()).scalars())
        having = {target for target, names in endpoints.items() if not waiting.isdisjoint(names)}
        while asked := shares(room - len(taken), {name: most for name, most in left.items() if name in having}):
            for target, most in asked.items():
                rows = connection.execute(
                    select(jobs)
                    .where(state, jobs.c.endpoint.in_(endpoints[target]), jobs.c.expires > now)
                    .order_by(jobs.c.rank)
                    .limit(most)
                    .with_for_update(skip_locked=True)
                ).all()
                taken += [_lease(connection, row, worker, now, lease_s) for row in rows]
                left[target] -= len(rows)
                if len(rows) < most:
                    having.discard(target)
    return taken


def shares(room: int, wanted: Mapping[str, int]) -> dict[str, int]:
    """``room`` dealt out one by one, in order, to those who still want some; nobody gets a share of nothing."""
    dealt: dict[str, int] = {}
    names = [name for name, number in wanted.items() if number > 0]
    while names and room > 0:
        for name in names[:room]:
            dealt[name] = dealt.get(name, 0) + 1
        room -= len(names[:room])
        names = [name for name in names if dealt.get(name, 0) < wanted[name]]
    return dealt


def _lease(connection: Connection, row: Row[Any], worker: str, now: float, lease_s: float) -> Lease:
    token = uuid.uuid4().hex
    began = now if row.started is None else row.started
    changes = {
        "status": "IN_PROGRESS",
        "lease": token,
        "lease_until": now + lease_s,
        "worker": worker,
        "started": began,
        "attempts": jobs.c.attempts + 1,
        "revision": jobs.c.revision + 1,
    }
    connection.execute(update(jobs).where(jobs.c.id == row.id).values(changes))
    done = _done(connection, row.id) if row.chunks else {}
    started = replace(stored_job(row).job, status="IN_PROGRESS", started=began, worker=worker)
    return Lease(started, token, row.input, done)


def _done(connection: Connection, job_id: str) -> dict[int, float]:
    ends = select(chunks.c.lane, func.max(chunks.c.until)).where(chunks.c.job == job_id).group_by(chunks.c.lane)
    return {int(lane): float(end) for lane, end in connection.execute(ends)}


def held(connection: Connection, tokens: Sequence[str]) -> set[str]:
    """Those of the tokens that still hold."""
    holding: set[str] = set()
    for start in range(0, len(tokens), 500):
        part = tokens[start : start + 500]
        wanted = select(jobs.c.lease).where(jobs.c.lease.in_(part), jobs.c.status == "IN_PROGRESS")
        holding.update(connection.execute(wanted).scalars())
    return holding


def extend(connection: Connection, tokens: Sequence[str], until: float) -> None:
    """Keep leases for longer."""
    for start in range(0, len(tokens), 500):
        part = tokens[start : start + 500]
        connection.execute(update(jobs).where(jobs.c.lease.in_(part)).values(lease_until=until))


def write(connection: Connection, lease: Lease, new: Sequence[ChunkRow] = (), progress: str | None = None) -> bool:
    """Store chunks, or replace the progress. False if the lease is lost; nothing is stored then."""
    changes: dict[str, Any] = {"revision": jobs.c.revision + 1, "chunks": jobs.c.chunks + len(new)}
    if progress is not None:
        changes["output"] = progress
    row = connection.execute(_mine(lease).values(changes).returning(jobs.c.chunks)).first()
    if row is None:
        return False
    first = row.chunks - len(new)
    if new:
        rows = [
            {"job": lease.job.id, "number": first + at, "value": c.cell, "lane": c.lane, "until": c.until}
            for at, c in enumerate(new)
        ]
        connection.execute(insert(chunks), rows)
    return True


def finish(connection: Connection, lease: Lease, ending: Ending, now: float, keep_s: float) -> bool:
    """End the job. False if the lease is lost or the job's time is over; nothing is changed then."""
    changes = {
        "status": ending.status,
        "output": ending.output,
        "error": None if ending.error is None else storable(ending.error),
        "error_status": ending.error_status,
        "finished": now,
        "expires": now + keep_s,
        "lease": None,
        "revision": jobs.c.revision + 1,
    }
    if connection.execute(_mine(lease).where(jobs.c.expires > now).values(changes)).rowcount == 0:
        return False
    counts.count(connection, lease.job.endpoint, "completed" if ending.status == "COMPLETED" else "failed")
    return True


def put_back(connection: Connection, lease: Lease, until: float, *, counted: bool) -> None:
    """Give a lease up, so that another attempt begins after ``until``; one that is not ``counted`` is free."""
    attempts = jobs.c.attempts if counted else jobs.c.attempts - 1
    connection.execute(_mine(lease).values(lease_until=until, lease=None, attempts=attempts))


def queued_events(connection: Connection, lease: Lease, events: Iterable[str]) -> set[str]:
    """Those of the events of which webhooks have been queued by an earlier attempt."""
    wanted = select(webhooks.c.event).where(
        webhooks.c.owner == lease.job.id,
        webhooks.c.event.in_(list(events)),
        webhooks.c.created >= lease.job.created,
    )
    return set(connection.execute(wanted).scalars())


def storable(text: str) -> str:
    """A text that every database takes."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _mine(lease: Lease) -> Update:
    return update(jobs).where(
        jobs.c.id == lease.job.id, jobs.c.lease == lease.token, jobs.c.status == "IN_PROGRESS"
    )
