"""A job as RunPod sends it to a worker: whatever stands beside ``input``, read without trust."""

from collections.abc import Mapping
from typing import Any

from deployments.errors import InvalidRequest
from serve_app.contracts.contract import JobInput
from serve_app.jobs.types import WEEK_S, Job, JobOptions, S3Target

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
    found = sent.get("input")
    if not isinstance(found, Mapping):
        raise InvalidRequest("The job's `input` has to be a JSON object that says what to do.", param="input")
    return found


def read(sent: Sent, now: float, timeout_s: float) -> Job:
    """The job's id and options. ``timeout_s`` holds if RunPod names no execution timeout."""
    options = JobOptions(execution_timeout_s=_timeout_s(sent.get("policy")) or timeout_s, s3=_s3(sent))
    return Job(str(sent["id"]), "", "IN_PROGRESS", now, now + WEEK_S, options, started=now)


def _timeout_s(policy: Any) -> float | None:
    allowed = policy.get("executionTimeout") if isinstance(policy, Mapping) else None
    if isinstance(allowed, bool) or not isinstance(allowed, int | float) or not allowed > 0:
        return None
    return min(allowed / 1_000, WEEK_S)


def _s3(sent: Sent) -> S3Target | None:
    given = sent.get("s3Config")
    if not isinstance(given, Mapping):
        return None
    needed = [given.get(name) for name in ("endpointUrl", "accessId", "accessSecret", "bucketName")]
    if not all(isinstance(value, str) and value for value in needed):
        return None
    url, key, secret, bucket = map(str, needed)
    return S3Target(url, key, secret, bucket, str(given.get("objectPath") or ""))
