"""Batches of jobs: drafted, changed, then queued at once."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from serve_app.concurrency import run_off_loop
from serve_app.config.jobs import JobsConfig
from serve_app.http.errors import Json
from serve_app.http.jobs.bodies import read_body
from serve_app.http.jobs.job_request import submission, submissions
from serve_app.http.jobs.parameters import whole
from serve_app.http.query import reads_query
from serve_app.jobs.protocol import Jobs
from serve_app.jobs.types import MOST_REQUESTS, Batch

PAGE, LARGEST_PAGE = 100, 1_000


class BatchHandlers:
    """The handlers."""

    def __init__(self, jobs: Jobs, config: JobsConfig) -> None:
        self._jobs, self._config = jobs, config

    async def create(self, request: Request) -> Response:
        """``POST batch``: a draft."""
        requests = await read_body(request, self._config.run_bytes, submissions)
        return _short(await self._jobs.create_batch(_endpoint(request), requests))

    async def every(self, request: Request) -> Response:
        """``GET batch``: all batches, newest first."""
        return Json({"batches": [_object(batch) for batch in await self._jobs.batches(_endpoint(request))]})

    async def one(self, request: Request) -> Response:
        """``GET batch/{id}``: its counters."""
        return Json(_object(await self._jobs.batch(_endpoint(request), _batch(request))))

    async def add(self, request: Request) -> Response:
        """``POST batch/{id}/requests``: more requests for a draft."""
        requests = await read_body(request, self._config.run_bytes, submissions)
        return Json(_object(await self._jobs.add_to_batch(_endpoint(request), _batch(request), requests)))

    @reads_query("offset", "limit")
    async def requests(self, request: Request) -> Response:
        """``GET batch/{id}/requests``: a page of them."""
        offset = whole(request, "offset", 0, 0, MOST_REQUESTS)
        limit = whole(request, "limit", PAGE, 1, LARGEST_PAGE)
        requests, total = await self._jobs.batch_requests(_endpoint(request), _batch(request), offset, limit)
        page = {
            "requests": list(requests),
            "total": total,
            "offset": offset,
            "limit": limit,
            "hasMore": offset + len(requests) < total,
        }
        return await run_off_loop(lambda: Json(page), large=bool(requests))

    async def replace(self, request: Request) -> Response:
        """``PUT batch/{id}/requests/{request}``: another request in the place of one of a draft."""
        sent = await read_body(request, self._config.run_bytes, submission)
        member = _member(request)
        await self._jobs.change_in_batch(_endpoint(request), _batch(request), member, sent.request)
        return Json({"id": member})

    async def remove(self, request: Request) -> Response:
        """``DELETE batch/{id}/requests/{request}``: one request less in a draft."""
        member = _member(request)
        await self._jobs.change_in_batch(_endpoint(request), _batch(request), member, None)
        return Json({"id": member})

    async def finalize(self, request: Request) -> Response:
        """``POST batch/{id}/finalize``: queues the draft's requests."""
        return _short(await self._jobs.finalize_batch(_endpoint(request), _batch(request)))

    async def cancel(self, request: Request) -> Response:
        """``POST batch/{id}/cancel``: cancels all of its jobs that are not final."""
        return _short(await self._jobs.cancel_batch(_endpoint(request), _batch(request)))


def _short(batch: Batch) -> Response:
    return Json({"id": batch.id, "status": batch.status})


def _object(batch: Batch) -> dict[str, Any]:
    return {
        "id": batch.id,
        "status": batch.status,
        "createdAt": round(batch.created * 1_000),
        "requestTotal": batch.total,
        "requestInProgress": batch.in_progress,
        "requestCompleted": batch.completed,
        "requestFailed": batch.failed,
    }


def _endpoint(request: Request) -> str:
    return str(request.path_params["endpoint"])


def _batch(request: Request) -> str:
    return str(request.path_params["id"])


def _member(request: Request) -> str:
    return str(request.path_params["request"])
