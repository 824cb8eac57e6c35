"""The job service as its entrances see it, so that neither they nor their tests need a database or a runner."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from serve_app.jobs.endpoints import Endpoints
from serve_app.jobs.options import JobOptions
from serve_app.jobs.types import Batch, EndpointHealth, Job, StreamPage


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A body of ``run`` or ``runsync``, read."""

    input: Any
    options: JobOptions


class Jobs(Protocol):
    """Every method raises EndpointNotFound or JobNotFound where the name or id is not known."""

    endpoints: Endpoints

    async def submit(
        self, endpoint: str, request: JobRequest, *, sync: bool = False, idempotency_key: str | None = None
    ) -> Job:
        """A job that is kept from now on. The same key with the same endpoint gives the job that it gave before,
        without its output.

        Raises Overloaded if the endpoint's queue is full.
        """
        ...

    async def get(self, endpoint: str, job_id: str, *, keep_s: float | None = None) -> Job:
        """The job, with its output. ``keep_s`` (10 s to 7 days) keeps a finished one for that long from now on."""
        ...

    async def wait(self, endpoint: str, job_id: str, timeout_s: float) -> Job:
        """The job as soon as it is final, or as it is after ``timeout_s``."""
        ...

    async def stream(self, endpoint: str, job_id: str, hold_s: float) -> StreamPage:
        """What the stream has gained since the last call: at once if there is something or the job is final,
        else after ``hold_s`` at the latest. Every chunk is in one page only, and the job is IN_PROGRESS while
        there are more of them.
        """
        ...

    async def cancel(self, endpoint: str, job_id: str) -> Job:
        """The job, cancelled unless it was final."""
        ...

    async def retry(self, endpoint: str, job_id: str) -> Job:
        """A FAILED or TIMED_OUT job, queued again. Raises JobConflict for any other."""
        ...

    async def purge(self, endpoint: str) -> int:
        """Drop all queued jobs; how many there were."""
        ...

    async def health(self, endpoint: str) -> EndpointHealth:
        """What the endpoint has done and does."""
        ...

    async def recent(self, endpoint: str, limit: int) -> Sequence[Job]:
        """The newest jobs, without outputs."""
        ...

    async def create_batch(self, endpoint: str, requests: Sequence[JobRequest]) -> Batch:
        """A batch in draft, with its first requests. Raises JobConflict beyond 10 active batches."""
        ...

    async def batches(self, endpoint: str) -> Sequence[Batch]:
        """All batches of an endpoint, newest first."""
        ...

    async def batch(self, endpoint: str, batch_id: str) -> Batch:
        """One batch with its counters."""
        ...

    async def add_to_batch(self, endpoint: str, batch_id: str, requests: Sequence[JobRequest]) -> Batch:
        """More requests for a draft. Raises JobConflict if it is none, or beyond 5,000 requests."""
        ...

    async def batch_requests(
        self, endpoint: str, batch_id: str, offset: int, limit: int
    ) -> tuple[Sequence[Mapping[str, Any]], int]:
        """A page of a batch's requests, and how many there are: ``{id, input}`` in a draft, envelopes later."""
        ...

    async def change_in_batch(
        self, endpoint: str, batch_id: str, request_id: str, request: JobRequest | None
    ) -> None:
        """Replace a request of a draft, or remove it (None)."""
        ...

    async def finalize_batch(self, endpoint: str, batch_id: str) -> Batch:
        """Queue all requests of a draft."""
        ...

    async def cancel_batch(self, endpoint: str, batch_id: str) -> Batch:
        """Cancel the batch and all its jobs that are not final."""
        ...
