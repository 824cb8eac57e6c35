"""``GET stream/{id}``: what a job has produced since the last call, held back until there is something."""

from starlette.requests import Request
from starlette.responses import Response

from serve_app.concurrency import run_off_loop
from serve_app.http.errors import Json
from serve_app.http.responses.disconnect import while_connected
from serve_app.jobs.protocol import Jobs
from serve_app.jobs.types import StreamPage

HOLD_S = 5.0


class StreamHandlers:
    """The handler."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    async def stream(self, request: Request) -> Response:
        """``{"status", "stream": [{"output": ...}]}``, and ``error`` with the end of a job that failed."""
        endpoint, job_id = str(request.path_params["endpoint"]), str(request.path_params["id"])
        return await while_connected(request.receive, self._page(endpoint, job_id))

    async def _page(self, endpoint: str, job_id: str) -> Response:
        page = await self._jobs.stream(endpoint, job_id, HOLD_S)
        return await run_off_loop(lambda: _answer(page), large=bool(page.chunks))


def shown_status(page: StreamPage) -> str:
    """The status beside the chunks, as clients need it to get everything and to end.

    COMPLETED comes with the last chunks; ivrit's client stops there. Any other end comes after them, because that
    client drops what comes with it. CANCELLED becomes FAILED, without which RunPod's client asks for ever.
    """
    status = page.job.status
    if page.chunks:
        return "COMPLETED" if status == "COMPLETED" else "IN_PROGRESS"
    return "FAILED" if status == "CANCELLED" else status


def _answer(page: StreamPage) -> Response:
    status, error = shown_status(page), page.job.error
    said = {"error": error} if error is not None and status in ("FAILED", "TIMED_OUT") else {}
    return Json({"status": status, "stream": [{"output": chunk} for chunk in page.chunks], **said})
