"""A job as RunPod's clients read it."""

from typing import Any

from serve_app.jobs.types import Job


def envelope(job: Job) -> dict[str, Any]:
    """The object of ``status`` and ``runsync``. Times are whole milliseconds: of waiting, and of working."""
    found: dict[str, Any] = {"id": job.id, "status": job.status}
    if job.started is not None:
        found["delayTime"] = _ms(job.started - job.created)
    if job.started is not None and job.finished is not None:
        found["executionTime"] = _ms(job.finished - job.started)
    if job.status == "COMPLETED" or (job.status == "IN_PROGRESS" and job.output is not None):
        found["output"] = job.output
    if job.error is not None:
        found["error"] = job.error
    if job.worker is not None:
        found["workerId"] = job.worker
    if job.retries:
        found["retries"] = job.retries
    return found


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1_000))
