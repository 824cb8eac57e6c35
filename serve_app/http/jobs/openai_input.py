"""A request of the OpenAI API as the input of a job: ``openai_route`` and ``openai_input``."""

import asyncio
import base64
from typing import Any
from urllib.parse import quote, urlencode

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.types import Message, Receive

from deployments.errors import InvalidRequest
from serve_app.concurrency import LARGE_BYTES, run_off_loop
from serve_app.fields.audio import content_type, file_name
from serve_app.http.bodies.content_type import body_type
from serve_app.http.bodies.form import CHARSETS, MULTIPART, URLENCODED, form_object, read_form
from serve_app.http.bodies.json_body import parse_object
from serve_app.http.jobs.bodies import read_job_bytes
from serve_app.http.jobs.credentials import NAMES

SAFE = "/:@-._~!$&'()*+,;="


async def openai_input(request: Request, limit: int) -> dict[str, Any]:
    """The job's input. A file of a form is ``{"name", "content_type", "data"}`` with its bytes as base64.

    Raises PayloadTooLarge, InvalidRequest for a body that is neither a form nor a JSON object, UnsupportedMedia,
    ClientDisconnect if the client leaves.
    """
    kind = body_type(request, CHARSETS)
    body = await read_job_bytes(request, limit)
    job_input: dict[str, Any] = {"openai_route": _route(request)}
    if request.method != ("POST" if body else "GET"):
        job_input["openai_method"] = request.method
    if not body:
        return job_input
    if kind in (MULTIPART, URLENCODED):
        fields = await _form(request, body)
    else:
        fields = await run_off_loop(lambda: parse_object(body), large=len(body) >= LARGE_BYTES)
    job_input["openai_input"] = {name: value for name, value in fields.items() if name not in NAMES}
    return job_input


def _route(request: Request) -> str:
    """The path and the query, without the credentials that this entrance takes from it."""
    query = urlencode([pair for pair in request.query_params.multi_items() if pair[0] not in NAMES])
    return "/" + quote(request.path_params["path"], safe=SAFE, errors="replace") + (f"?{query}" if query else "")


async def _form(request: Request, body: bytearray) -> dict[str, Any]:
    async with read_form(Request(request.scope, _replayed(body))) as form:
        return await form_object(form, _file)


async def _file(name: str, file: UploadFile) -> dict[str, Any]:
    if not file.size:
        raise InvalidRequest("The file is empty.", param=name)
    data = await asyncio.to_thread(lambda: base64.b64encode(file.file.read()).decode())
    return {"name": file_name(file.filename), "content_type": content_type(file.content_type), "data": data}


def _replayed(body: bytearray) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return receive
