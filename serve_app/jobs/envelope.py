"""A job as RunPod's clients read it."""

from typing import Any

from serve_app.contracts.contract import Notice
from serve_app.jobs.types import Job

JOB_EVENT = "job"


def envelope(job: Job) -> dict[str, Any]:
    """The object of ``status`` and ``runsync``. Times are whole milliseconds: of waiting, and of working."""
    fields: dict[str, Any] = {"id": job.id, "status": job.status}
    if job.started is not None:
        fields["delayTime"] = _ms(job.started - job.created)
    if job.started is not None and job.finished is not None:
        fields["executionTime"] = _ms(job.finished - job.started)
    if job.status == "COMPLETED" or (job.status == "IN_PROGRESS" and job.output is not None):
        fields["output"] = job.output
    if job.error is not None:
        fields["error"] = job.error
    if job.worker is not None:
        fields["workerId"] = job.worker
    if job.retries:
        fields["retries"] = job.retries
    return fields


def without_output(fields: dict[str, Any]) -> dict[str, Any]:
    """An envelope for lists, which are read without outputs."""
    return {key: value for key, value in fields.items() if key != "output"}


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1_000))


def job_notice(job: Job, job_input: Any) -> list[Notice]:
    """The webhook that a job asked for, if it did: its envelope with the input."""
    if job.options.webhook is None:
        return []
    payload = {**envelope(job), "input": job_input, "webhook": job.options.webhook}
    return [Notice(job.options.webhook, JOB_EVENT, payload, with_end=True)]
