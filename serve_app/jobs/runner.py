"""Runs jobs: takes leases, keeps them while it works, gives them back when it has to stop.

Any number of runners may share a database. When one dies its leases run out, and others begin its jobs again.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp

from serve_app.config.jobs import JobsConfig
from serve_app.contracts.contract import JobContext
from serve_app.gateway.gateway import Gateway
from serve_app.jobs.attempt import Attempt
from serve_app.jobs.endpoints import Endpoints
from serve_app.jobs.outputs import Outputs
from serve_app.jobs.record import JobRecord, LeaseLost
from serve_app.jobs.storage import job_rows, leases
from serve_app.jobs.storage.leases import Lease
from serve_app.jobs.storage.store import JobStore
from serve_app.jobs.webhooks.sender import Sender

logger = logging.getLogger("ray.serve")

LOOK_S = 1.0  # between looks at the queue if nobody wakes the runner
WORK_S = 2.0
CHECK_S = 0.5  # between looks at whether the leases still hold
CLEAN_S, CLEANED_AT_ONCE = 10.0, 500
PAUSE_AFTER_ERROR_S = 1.0


class Runner:
    """One runner. ``worker`` names it in the rows; ``http`` is the application for jobs that are HTTP requests;
    ``upload_bytes`` bounds the audio within a job.
    """

    def __init__(
        self,
        worker: str,
        config: JobsConfig,
        store: JobStore,
        outputs: Outputs,
        gateway: Gateway,
        http: ASGIApp,
        sender: Sender,
        *,
        upload_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._worker, self._config, self._clock = worker, config, clock
        self._database, self._payloads, self._outputs = store.database, store.payloads, outputs
        self._endpoints = Endpoints(gateway.models, config.endpoints)
        self._gateway, self._http, self._sender = gateway, http, sender
        self._upload_bytes = upload_bytes
        self._working: dict[str, tuple[Lease, asyncio.Task[None]]] = {}  # by token
        self._running: Counter[str] = Counter()  # by target
        self._targets: dict[str, list[str]] = defaultdict(list)  # and its endpoints
        for name, endpoint in self._endpoints.items():
            self._targets[endpoint.target].append(name)
        self._news, self._doubt = asyncio.Event(), asyncio.Event()
        self._looks_begun = self._looks_done = 0
        self._looked = asyncio.Condition()
        self._tasks: list[asyncio.Task[Any]] = []

    def start(self) -> None:
        """Begin; needs a running event loop."""
        loops = (self._take, self._keep, self._clean)
        self._tasks = [asyncio.create_task(_forever(loop), name=loop.__name__) for loop in loops]
        self._tasks.append(asyncio.create_task(self._sender.run(), name="webhooks"))

    def wake(self, *, cancelled: bool = False) -> None:
        """There is a new job, or one that it works on may have been cancelled."""
        (self._doubt if cancelled else self._news).set()

    async def work(self, job_id: str) -> None:
        """There is a new job. Returns when it is not, or no longer, this runner's, or after some time: callers
        that wait for longer watch the row, so that the runner can be stopped.
        """
        next_look = self._looks_begun + 1  # the one that has begun may have come too early
        self._news.set()
        async with self._looked:
            await self._looked.wait_for(lambda: self._looks_done >= next_look)
        for lease, task in list(self._working.values()):
            if lease.job.id == job_id:
                await asyncio.wait({task}, timeout=WORK_S)

    def check(self) -> None:
        """Raise RuntimeError if a part of it has ended."""
        for task in self._tasks:
            if task.done():
                raise RuntimeError(f"the runner's {task.get_name()} has ended")

    async def close(self) -> None:
        """Stop at once; what it works on is left to other runners, or to its next start."""
        for task in self._tasks:
            task.cancel()
        working = list(self._working.values())
        for _, task in working:
            task.cancel()
        await asyncio.gather(*self._tasks, *(task for _, task in working), return_exceptions=True)
        for lease, _ in working:
            with contextlib.suppress(Exception):
                await self._record(lease).put_back(self._clock(), counted=False)
        await self._sender.close()

    async def _take(self) -> None:
        self._news.clear()
        self._looks_begun += 1
        began = await self._look()
        self._looks_done = self._looks_begun
        async with self._looked:
            self._looked.notify_all()
        if not began:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._news.wait()

    async def _look(self) -> bool:
        """Begin what there is to do and room for; whether there was anything."""
        room = self._config.concurrency - len(self._working)
        if room <= 0:
            return False
        busy = sorted(self._targets, key=lambda name: self._running[name])
        free = {name: self._endpoints[self._targets[name][0]].concurrency - self._running[name] for name in busy}
        now, lease_s = self._clock(), self._config.lease_s
        taken = await self._database.run(
            lambda c: leases.take(c, room, free, self._targets, self._worker, now, lease_s)
        )
        for lease in taken:
            self._begin(lease)
        return bool(taken)

    def _begin(self, lease: Lease) -> None:
        task = asyncio.create_task(self._work(lease), name=lease.job.id)
        self._working[lease.token] = lease, task
        self._running[self._endpoints[lease.job.endpoint].target] += 1
        task.add_done_callback(lambda _: self._ended(lease))

    def _ended(self, lease: Lease) -> None:
        del self._working[lease.token]
        self._running[self._endpoints[lease.job.endpoint].target] -= 1
        self._news.set()

    async def _work(self, lease: Lease) -> None:
        job, endpoint = lease.job, self._endpoints[lease.job.endpoint]
        deadline = min(self._clock() + job.options.execution_timeout_s, job.expires)
        context = JobContext(
            job.id,
            self._gateway,
            self._http,
            endpoint.model,
            deadline,
            self._config.webhooks,
            self._upload_bytes,
        )
        try:
            await Attempt(self._record(lease), endpoint, context, self._config.attempts, self._clock).run()
        except LeaseLost:
            logger.info("job %s is no longer this runner's", job.id)
        except Exception:
            logger.exception("job %s: the end of the attempt could not be recorded", job.id)

    def _record(self, lease: Lease) -> JobRecord:
        keep_s = self._config.keep_sync_s if lease.job.sync else self._config.keep_s
        return JobRecord(self._database, self._payloads, self._outputs, lease, keep_s, self._sender.poke)

    async def _keep(self) -> None:
        """Keep the leases, and stop the work on jobs whose lease is lost."""
        beats = max(1, round(self._config.lease_s / 3 / CHECK_S))
        for beat in range(beats):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECK_S):
                    await self._doubt.wait()
            self._doubt.clear()
            tokens = list(self._working)
            if not tokens:
                continue
            if beat == 0:
                until = self._clock() + self._config.lease_s
                await self._database.run(lambda c, ts=tokens, end=until: leases.extend(c, ts, end))  # type: ignore[misc]
            held = await self._database.run(lambda c, ts=tokens: leases.held(c, ts), reads=True)  # type: ignore[misc]
            for token in tokens:
                if token not in held and token in self._working:
                    self._working[token][1].cancel()

    async def _clean(self) -> None:
        now = self._clock()
        gone = await self._database.run(lambda c: job_rows.expired(c, now, CLEANED_AT_ONCE))
        await self._payloads.delete(gone)
        if len(gone) < CLEANED_AT_ONCE:
            await asyncio.sleep(CLEAN_S)


async def _forever(step: Callable[[], Any]) -> None:
    while True:
        try:
            await step()
        except Exception:  # the database is away; it comes back, or health checks report it
            logger.exception("the job runner could not %s", step.__name__.strip("_"))
            await asyncio.sleep(PAUSE_AFTER_ERROR_S)
