"""Jobs as answers."""

from collections.abc import Mapping

from starlette.responses import Response

from serve_app.concurrency import run_off_loop
from serve_app.http.errors import Json
from serve_app.jobs.envelope import envelope
from serve_app.jobs.types import Job

UNKNOWN_FAILURE = 500
UNFINISHED = 504
CANCELLED = 409


async def full(job: Job, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The whole envelope. An output is written on a thread: nobody knows how large it is."""
    return await run_off_loop(lambda: Json(envelope(job), status, headers), large=job.output is not None)


def short(job: Job, headers: Mapping[str, str] | None = None) -> Response:
    """The id and the status."""
    return Json({"id": job.id, "status": job.status}, headers=headers)


def http_status(job: Job) -> int:
    """The HTTP status that says what became of a job, for clients that look at nothing else."""
    match job.status:
        case "COMPLETED":
            return 200
        case "FAILED":
            return job.error_status or UNKNOWN_FAILURE
        case "CANCELLED":
            return CANCELLED
    return UNFINISHED
