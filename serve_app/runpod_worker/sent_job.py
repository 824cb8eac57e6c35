"""A job as RunPod sends it to a worker: whatever stands beside ``input``, read without trust."""

from collections.abc import Mapping
from typing import Any

from deployments.errors import InvalidRequest
from serve_app.contracts.contract import JobInput
from serve_app.jobs.options import WEEK_S, forwarded_options
from serve_app.jobs.types import Job

Sent = Mapping[str, Any]


def usable(sent: Any) -> dict[str, Any] | None:
    """The job with an id that can stand in a URL; None if it has none, since nobody can be answered then."""
    if not isinstance(sent, dict):
        return None
    job_id = sent.get("id")
    if isinstance(job_id, bool) or not isinstance(job_id, str | int) or not str(job_id).strip():
        return None
    rest = {key: value for key, value in sent.items() if key != "self"}  # the SDK's own class has that name taken
    return {**rest, "id": str(job_id)}


def input_of(sent: Sent) -> JobInput:
    """The input. Raises InvalidRequest if it is none."""
    job_input = sent.get("input")
    if not isinstance(job_input, Mapping):
        raise InvalidRequest("The job's `input` has to be a JSON object that says what to do.", param="input")
    return job_input


def read(sent: Sent, now: float, timeout_s: float) -> Job:
    """The job's id and options. ``timeout_s`` holds if RunPod names no execution timeout."""
    options = forwarded_options(sent, timeout_s)
    return Job(str(sent["id"]), "", "IN_PROGRESS", now, now + WEEK_S, options, started=now)
