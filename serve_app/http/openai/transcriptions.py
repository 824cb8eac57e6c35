"""``POST /v1/audio/transcriptions`` and ``/v1/audio/translations`` of the OpenAI API."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from deployments.whisper.types import Task, Transcript, TranscriptionEvent, collect
from serve_app.gateway.gateway import Gateway
from serve_app.http.bodies.form import read_form
from serve_app.http.bodies.upload import open_upload
from serve_app.http.errors import Json
from serve_app.http.openai.event_stream import EventStream
from serve_app.http.openai.transcription_events import transcription_messages
from serve_app.http.openai.transcription_form import read_transcription_form
from serve_app.http.request_id import request_id_of
from serve_app.http.responses.disconnect import while_connected
from serve_app.tasks.transcription import formats as transcripts
from serve_app.tasks.transcription.fields import TRANSCRIPTION_PATHS
from serve_app.tasks.transcription.parse import Output

SUBRIP = "application/x-subrip; charset=utf-8"
WEBVTT = "text/vtt"


def routes(gateway: Gateway) -> list[Route]:
    """The two routes."""
    return [Route(path, _endpoint(gateway, task), methods=["POST"]) for task, path in TRANSCRIPTION_PATHS.items()]


def _endpoint(gateway: Gateway, task: Task) -> Any:
    async def transcribe(request: Request) -> Response:
        async with read_form(request) as fields:
            parsed, file = read_transcription_form(fields, task, request_id_of(request.scope))
            upload = None if file is None else await open_upload(file)
        events = gateway.transcribe(parsed.request, upload)
        if parsed.output.stream:
            return EventStream(transcription_messages(events, parsed.output), parsed.headers)
        transcript = await while_connected(request.receive, _collect(task, events))
        response = _response(transcript, parsed.output)
        response.headers.update(parsed.headers)
        return response

    return transcribe


async def _collect(task: Task, events: AsyncGenerator[TranscriptionEvent, None]) -> Transcript:
    async with aclosing(events):
        return await collect(task, events)


def _response(transcript: Transcript, output: Output) -> Response:
    match output.response_format:
        case "text":
            return PlainTextResponse(transcripts.as_text(transcript))
        case "srt":
            return PlainTextResponse(transcripts.as_srt(transcript.segments), media_type=SUBRIP)
        case "vtt":
            return PlainTextResponse(transcripts.as_vtt(transcript.segments), media_type=WEBVTT)
        case "verbose_json":
            return Json(transcripts.as_verbose_json(transcript, segments=output.segments, words=output.words))
        case "json":
            return Json(transcripts.as_json(transcript, logprobs=output.logprobs))
