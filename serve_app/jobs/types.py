"""The vocabulary of jobs. States and names are RunPod's; times are Unix seconds."""

from dataclasses import dataclass
from typing import Any, Literal

from deployments.errors import ClientError, InvalidRequest
from serve_app.jobs.options import JobOptions

JobStatus = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"]
FINAL: frozenset[JobStatus] = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"})
MOST_REQUESTS = 5_000  # of a batch


class EndpointNotFound(ClientError):
    """No endpoint has this name."""

    status = 404
    code = "endpoint_not_found"


class JobNotFound(ClientError):
    """No job of this endpoint has this id, or it has expired."""

    status = 404
    code = "job_not_found"


class JobConflict(InvalidRequest):
    """The job's state does not allow what was asked for."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job as its row says. ``output`` is None until there is one; while IN_PROGRESS it is the last progress.

    ``error_status`` is the HTTP status that the failure would have had at another entrance. ``revision`` grows
    with every change that a client can see.
    """

    id: str
    endpoint: str
    status: JobStatus
    created: float
    expires: float
    options: JobOptions
    sync: bool = False
    started: float | None = None
    finished: float | None = None
    output: Any = None
    error: str | None = None
    error_status: int | None = None
    worker: str | None = None
    attempts: int = 0
    retries: int = 0
    revision: int = 0

    @property
    def final(self) -> bool:
        """Whether nothing will happen to it any more, unless a client retries it."""
        return self.status in FINAL


@dataclass(frozen=True, slots=True)
class StreamPage:
    """Chunks that no earlier page had, and the job as it was when they were taken."""

    job: Job
    chunks: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """Jobs of an endpoint by what became of them, and replicas of its model by what they do."""

    completed: int
    failed: int
    retried: int
    in_progress: int
    in_queue: int
    workers: dict[str, int]


BatchStatus = Literal["DRAFT", "FINALIZED", "FAILED", "CANCELLED"]


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of jobs with its counters. ``created`` in Unix seconds."""

    id: str
    endpoint: str
    status: BatchStatus
    created: float
    total: int = 0
    in_progress: int = 0
    completed: int = 0
    failed: int = 0
