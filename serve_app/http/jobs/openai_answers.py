"""What became of a job, as clients of the OpenAI API read it: the raw result, or the raw error."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import PlainTextResponse, Response

from serve_app.concurrency import run_off_loop
from serve_app.http.errors import Json
from serve_app.http.jobs.answers import UNFINISHED, http_status
from serve_app.jobs.types import Job

RETRY_S = "5"
RETRIED = frozenset({429, 503})
JOB_HEADER = "x-job-id"
FACTS = frozenset({"cut", "judged_pieces", "ignored_fields"})


async def answer(job: Job) -> Response:
    """The response for a job that is final, or was not in time."""
    response = await run_off_loop(lambda: _answer(job), large=job.output is not None)
    response.headers[JOB_HEADER] = job.id
    return response


def error_body(job: Job) -> dict[str, Any]:
    """The error of a job that has not completed: what the route answered, or something of the same shape."""
    message = job.error or _REASONS.get(job.status, "The job has not finished in the time that requests wait.")
    try:
        body = json.loads(message)
    except ValueError:
        body = None
    if isinstance(body, dict) and "error" in body:
        return body
    status = http_status(job)
    kind = "invalid_request_error" if status < 500 else "timeout_error" if status == UNFINISHED else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": job.status.lower()}}


def _answer(job: Job) -> Response:
    if job.status != "COMPLETED":
        status = http_status(job)
        headers = {"Retry-After": RETRY_S} if status in RETRIED else {}
        return Json(error_body(job), status, {**headers, "x-should-retry": "true" if headers else "false"})
    match job.output:
        case str():
            return PlainTextResponse(job.output)
        case {"content_type": str(kind), "data": str(data), **facts} if FACTS.issuperset(facts):
            return Response(base64.b64decode(data), headers=_headers(facts), media_type=kind)
    return Json(job.output)


def _headers(facts: Mapping[Any, Any]) -> dict[str, str]:
    """Those that the route has answered with, of what the output says about a file."""
    headers = {}
    if "cut" in facts:
        headers["X-Cut"] = "true" if facts["cut"] else "false"
    if "judged_pieces" in facts:
        headers["X-Judged-Pieces"] = str(facts["judged_pieces"])
    if facts.get("ignored_fields"):
        headers["X-Ignored-Fields"] = ", ".join(facts["ignored_fields"])
    return headers


_REASONS = {
    "CANCELLED": "The job was cancelled.",
    "FAILED": "The job failed.",
    "TIMED_OUT": "The job took longer than it was given.",
}
