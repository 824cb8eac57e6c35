"""A job's ``openai_route`` and ``openai_input`` as the request that they stand for."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import httpx
import numpy as np
from numpy.typing import NDArray

from deployments.errors import InvalidRequest, PayloadTooLarge
from serve_app.concurrency import LARGE_BYTES, run_off_loop
from serve_app.contracts.audio import audio_at, audio_in
from serve_app.contracts.contract import JobContext, JobInput
from serve_app.contracts.fish_speech.input import seed_of
from serve_app.contracts.openai.in_process import InProcessRequest
from serve_app.fields.form_values import TRUE, as_form_text
from serve_app.request_id import request_id
from serve_app.slashes import without_surplus
from serve_app.tasks.speech.fields import SPEECH_PATH
from serve_app.tasks.transcription.fields import TRANSCRIPTION_PATHS

ROUTE = re.compile(r"/v1/[!-~]*", re.ASCII)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
LONGEST_ROUTE = 2_048
MANY = 4_096  # characters or entries of a value, from which on it is written on a thread
EMPTY_FORM = "application/x-www-form-urlencoded"
FORM_PATHS = frozenset(TRANSCRIPTION_PATHS.values())
File = tuple[str, NDArray[np.uint8], str]
_UNSAFE = re.compile(r"[^ -~]")


async def request_of(job_input: JobInput, context: JobContext) -> InProcessRequest:
    """The request. An input without a body is a GET; speech without a seed gets that of the job, so that every
    attempt says the same, and is a whole file unless events are asked for.

    Raises InvalidRequest, ForbiddenUrl, PayloadTooLarge.
    """
    target = _target(job_input.get("openai_route"))
    body = job_input.get("openai_input")
    if body is not None and not isinstance(body, Mapping):
        raise InvalidRequest("`openai_input` has to be an object: the body of the request.", param="openai_input")
    method = _method(job_input.get("openai_method"), "GET" if body is None else "POST")
    headers = (("accept", "*/*"), ("x-request-id", request_id(context.job_id)))
    if body is None:
        return InProcessRequest(method, target, headers)
    if context.model is not None and body.get("model") is None:
        body = {**body, "model": context.model}
    path = path_of(target)
    if path == SPEECH_PATH:
        body = {**body, **_for_speech(body, context)}
    if path in FORM_PATHS or isinstance(body.get("file"), Mapping):
        kind, content = await _form(body, context)
    else:
        many = any(isinstance(value, str | list | Mapping) and len(value) > MANY for value in body.values())
        large = many or "references" in body  # recordings in base64
        kind, content = "application/json", await run_off_loop(lambda: _json(body), large=large)
    if len(content) > context.upload_bytes:
        raise PayloadTooLarge(
            f"`openai_input` is larger than the {context.upload_bytes} bytes that are taken.", param="openai_input"
        )
    return InProcessRequest(method, target, (*headers, ("content-type", kind)), content)


def _for_speech(body: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
    added: dict[str, Any] = {}
    if body.get("seed") is None:
        added["seed"] = seed_of(context.job_id)
    stream = body.get("stream")
    if (stream is None or stream is True) and body.get("stream_format") != "sse":
        added["stream"] = False
    return added


def wants_stream(job_input: Mapping[str, Any]) -> bool:
    """Whether a job's input asks for server-sent events. Never raises, whatever the input."""
    body = job_input.get("openai_input")
    if not isinstance(body, Mapping):
        return False
    if path_of(job_input.get("openai_route")) == SPEECH_PATH:  # its `stream` is about the sound itself
        return body.get("stream_format") == "sse"
    value = body.get("stream")
    return value is True or (isinstance(value, str) and value.strip().lower() in TRUE)


def path_of(route: object) -> str | None:
    """The path of a job's route; None if it is no text."""
    return without_surplus("/" + unquote(route.partition("?")[0])) if isinstance(route, str) else None


def _target(route: object) -> str:
    if isinstance(route, str):
        path, mark, query = route.partition("?")
        target = without_surplus(f"/{path}") + mark + query
        if len(target) <= LONGEST_ROUTE and ROUTE.fullmatch(target) and "#" not in target:
            return target
    raise InvalidRequest(
        "`openai_route` has to be a path of the OpenAI API, such as /v1/audio/transcriptions.",
        param="openai_route",
    )


def _method(method: object, default: str) -> str:
    if method is None or method == "":
        return default
    if isinstance(method, str) and method.upper() in METHODS:
        return method.upper()
    raise InvalidRequest(f"`openai_method` has to be one of {', '.join(METHODS)}.", param="openai_method")


def _json(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(dict(body), allow_nan=False).encode()
    except (RecursionError, TypeError, ValueError) as error:
        raise InvalidRequest("`openai_input` cannot be written as JSON.", param="openai_input") from error


async def _form(body: Mapping[str, Any], context: JobContext) -> tuple[str, bytes]:
    """Content type and bytes of the form that the ``openai`` package would have sent."""
    fields: dict[str, list[str]] = {}
    for name, value in body.items():
        if name != "file":
            _add(fields, _UNSAFE.sub("", name), value)
    files = {}
    if (file := body.get("file")) is not None:
        if isinstance(file, Mapping) and file.get("url") is not None:
            fields["url"] = [audio_at(file["url"], "file.url").url or ""]
        else:
            files["file"] = await _file(file, context)
    return await run_off_loop(
        lambda: _multipart(fields, files), large=any(len(f[1]) > LARGE_BYTES for f in files.values())
    )


def _add(fields: dict[str, list[str]], name: str, value: Any) -> None:
    if value is None:
        return
    try:
        if isinstance(value, Mapping):
            for key, part in value.items():
                if part is not None:
                    fields.setdefault(f"{name}[{_UNSAFE.sub('', key)}]", []).append(as_form_text(part))
        elif isinstance(value, list):
            fields.setdefault(f"{name.removesuffix('[]')}[]", []).extend(map(as_form_text, value))
        else:
            fields.setdefault(name, []).append(as_form_text(value))
    except (RecursionError, TypeError, ValueError) as error:
        raise InvalidRequest(f"The value of `{name[:64]}` cannot be read.", param=name[:64]) from error


async def _file(file: object, context: JobContext) -> File:
    """Name, bytes and content type."""
    known = file if isinstance(file, Mapping) else {"data": file}
    audio = await audio_in(known.get("data"), "file", context.upload_bytes)
    assert audio.upload is not None
    name = _safe(known.get("name") or known.get("filename"), "file")
    kind = _safe(known.get("content_type") or audio.content_type, "application/octet-stream")
    return name, audio.upload.data, kind


def _safe(text: object, default: str) -> str:
    return (_UNSAFE.sub("", text)[:255] or default) if isinstance(text, str) else default


def _multipart(fields: dict[str, list[str]], files: dict[str, File]) -> tuple[str, bytes]:
    parts = {name: (file, data.tobytes(), kind) for name, (file, data, kind) in files.items()}
    try:
        request = httpx.Request("POST", "http://localhost", data=fields, files=parts or None)
        return request.headers.get("content-type", EMPTY_FORM), request.read()
    except UnicodeEncodeError as error:
        raise InvalidRequest("`openai_input` holds half of a surrogate pair.", param="openai_input") from error
