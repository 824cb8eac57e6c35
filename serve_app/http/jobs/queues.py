"""All jobs of an endpoint together: ``purge-queue``, ``health``, ``requests``."""

from starlette.requests import Request
from starlette.responses import Response

from serve_app.http.errors import Json
from serve_app.http.jobs.parameters import whole
from serve_app.http.query import reads_query
from serve_app.jobs.envelope import envelope, without_output
from serve_app.jobs.protocol import Jobs

RECENT, MOST_RECENT = 100, 1_000


class QueueHandlers:
    """The handlers."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    async def purge(self, request: Request) -> Response:
        """``POST purge-queue``: drops what waits; what runs goes on."""
        removed = await self._jobs.purge(request.path_params["endpoint"])
        return Json({"removed": removed, "status": "completed"})

    async def health(self, request: Request) -> Response:
        """``GET health``: jobs and replicas in numbers."""
        health = await self._jobs.health(request.path_params["endpoint"])
        jobs = {
            "completed": health.completed,
            "failed": health.failed,
            "inProgress": health.in_progress,
            "inQueue": health.in_queue,
            "retried": health.retried,
        }
        return Json({"jobs": jobs, "workers": health.workers})

    @reads_query("limit")
    async def requests(self, request: Request) -> Response:
        """``GET requests``: the newest jobs first, without their outputs."""
        limit = whole(request, "limit", RECENT, 1, MOST_RECENT)
        jobs = await self._jobs.recent(request.path_params["endpoint"], limit)
        return Json({"requests": [without_output(envelope(job)) for job in jobs]})
