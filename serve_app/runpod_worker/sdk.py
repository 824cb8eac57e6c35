"""RunPod's SDK, and what this worker does differently: a handler for each job, polls that end with the worker, and
refusals of what is no job. It depends on attributes of one class, which are checked at the start.
"""

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from runpod import serverless  # type: ignore[import-untyped]
from runpod.serverless.modules import rp_http, rp_job, rp_scale  # type: ignore[import-untyped]

from serve_app.failures import StartFailed
from serve_app.runpod_worker import sent_job
from serve_app.runpod_worker.handlers import JobHandler, ProgressPosts
from serve_app.runpod_worker.service import Service

T = TypeVar("T")
logger = logging.getLogger("ray.serve")

LEAST_JOBS, MOST_JOBS = 16, 300
LOOK_S = 0.2  # at whether the worker is to end, while a poll is open
SETTINGS = ("jobs_fetcher", "jobs_handler", "stop_signals_fetcher", "job_progress", "is_alive", "config")
FUNCTIONS = {
    "rp_job.get_job": ("session", "num_jobs"),
    "rp_job.get_stop_signals": ("session",),
    "rp_job.handle_job": ("session", "config", "job"),
    "rp_http.send_result": ("session", "job_data", "job"),
}


def concurrency(queues: Iterable[int]) -> int:
    """Jobs at once for models that admit so many requests each. It never changes, since the SDK would first wait
    for all jobs to end, and it is high, since the SDK takes about one job per second for each of them.
    """
    return min(MOST_JOBS, max(LEAST_JOBS, sum(queues) // 2))


def start(service: Service, jobs_at_once: int) -> None:
    """Work for RunPod until a signal comes, or on the test input; the SDK ends the process after that one.

    Raises StartFailed if the SDK is not one that is known.
    """
    _check()
    rp_scale.JobScaler = _scaler(service)

    async def handler(job: dict[str, Any]) -> Any:  # of test inputs; the loop has its own for every job
        return await JobHandler(service, job).whole(job)

    async def models_are_ready() -> None:
        try:
            await service.ready()
        except BaseException:
            service.close()  # the SDK ends the process in a way that closes nothing
            raise

    serverless.register_fitness_check(models_are_ready)
    serverless.start(
        {
            "handler": handler,
            "concurrency_modifier": lambda _: jobs_at_once,
            "return_aggregate_stream": True,
        }
    )


def _check() -> None:
    """Raise StartFailed if the SDK has changed where we rely on it."""
    missing = [
        name
        for name, parameters in FUNCTIONS.items()
        if not set(parameters) <= _parameters(getattr(globals()[name.split(".")[0]], name.split(".")[1], None))
    ]
    scaler = getattr(rp_scale, "JobScaler", None)
    if scaler is None:
        missing.append("rp_scale.JobScaler")
    else:
        instance = scaler({})
        missing += [f"rp_scale.JobScaler.{name}" for name in SETTINGS if not hasattr(instance, name)]
    if missing:
        raise StartFailed(
            f"RunPod's SDK {serverless.runpod_version} is not one that this worker knows: it lacks "
            f"{', '.join(missing)}. Install runpod 1.12.0."
        )


def _parameters(function: Any) -> set[str]:
    return set(inspect.signature(function).parameters) if callable(function) else set()


def _scaler(service: Service) -> type:
    """The SDK's loop with our fetching and handling of jobs."""

    class Scaler(rp_scale.JobScaler):  # type: ignore[misc]
        def __init__(self, config: dict[str, Any]) -> None:
            super().__init__(config)
            self.jobs_fetcher = self._fetch
            self.jobs_handler = self._handle
            self.stop_signals_fetcher = self._stops

        async def _fetch(self, session: Any, wanted: int) -> list[dict[str, Any]]:
            """New jobs. A poll does not outlive the worker, because a job that it brought then would be lost."""
            fetched = await _unless(lambda: not self.is_alive(), rp_job.get_job(session, wanted)) or []
            jobs = [job for job in map(sent_job.usable, fetched) if job is not None]
            if len(jobs) < len(fetched):
                logger.warning("%d jobs came without an id and cannot be answered", len(fetched) - len(jobs))
            return jobs

        async def _stops(self, session: Any) -> list[str]:
            """Ids of jobs to stop. The poll goes on while jobs are worked on, also when the worker is to end."""
            stopped = await _unless(
                lambda: not self.is_alive() and not self.job_progress.get_job_count(),
                rp_job.get_stop_signals(session),
            )
            return stopped or []

        async def _handle(self, session: Any, config: dict[str, Any], job: dict[str, Any]) -> None:
            async def post(value: Any) -> None:
                await rp_http.send_result(session, {"status": "IN_PROGRESS", "output": value}, job)

            handler = JobHandler(service, job, ProgressPosts(post))
            try:
                await rp_job.handle_job(session, {**config, "handler": handler.function}, job)
            finally:
                await handler.close()

    return Scaler


async def _unless(ended: Callable[[], bool], work: Coroutine[Any, Any, T]) -> T | None:
    """The result of the work; None if it is not needed any more, which cancels it."""
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            if ended():
                return None
            await asyncio.wait({task}, timeout=LOOK_S)
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
