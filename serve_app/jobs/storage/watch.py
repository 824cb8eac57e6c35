"""Waiting for changes of jobs: one query for all waiters, often while jobs change, seldom while they do not."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from serve_app.jobs.storage.database import Database
from serve_app.jobs.storage.tables import jobs

SOON_S, LATER_S, GROWTH = 0.01, 0.25, 1.25
AT_ONCE = 500


class JobWatch:
    """Tells when a job's revision is no longer the one that somebody has seen."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[str, set[asyncio.Future[None]]] = defaultdict(set)
        self._seen: dict[asyncio.Future[None], int] = {}
        self._poll: asyncio.Task[None] | None = None
        self._new = asyncio.Event()

    async def change(self, job_id: str, seen: int, timeout_s: float) -> bool:
        """Return True as soon as the job's revision is another one or the job is gone, else False in time."""
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[job_id].add(changed)
        self._seen[changed] = seen
        self._new.set()
        if self._poll is None or self._poll.done():
            self._poll = asyncio.create_task(self._watch())
        try:
            async with asyncio.timeout(timeout_s):
                await changed
            return True
        except TimeoutError:
            return False
        finally:
            del self._seen[changed]
            self._waiting[job_id].discard(changed)
            if not self._waiting[job_id]:
                del self._waiting[job_id]

    def close(self) -> None:
        """Stop watching."""
        if self._poll is not None:
            self._poll.cancel()

    async def _watch(self) -> None:
        pause = SOON_S
        while self._waiting:
            ids = list(self._waiting)
            try:
                revisions = await self._database.run(_reading(ids), reads=True)
            except SQLAlchemyError:  # it is away; those who wait have time
                await asyncio.sleep(LATER_S)
                continue
            changed = False
            for job_id in ids:
                for waiter in list(self._waiting.get(job_id, ())):
                    if revisions.get(job_id, -1) != self._seen[waiter] and not waiter.done():
                        waiter.set_result(None)
                        changed = True
            pause = SOON_S if changed or self._new.is_set() else min(LATER_S, pause * GROWTH)
            self._new.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._new.wait()


def _reading(ids: Sequence[str]) -> Callable[[Connection], dict[str, int]]:
    def read(connection: Connection) -> dict[str, int]:
        revisions: dict[str, int] = {}
        for start in range(0, len(ids), AT_ONCE):
            wanted = select(jobs.c.id, jobs.c.revision).where(jobs.c.id.in_(ids[start : start + AT_ONCE]))
            revisions.update({str(key): int(value) for key, value in connection.execute(wanted)})
        return revisions

    return read
