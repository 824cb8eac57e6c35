"""``POST /v1/audio/transcriptions`` and ``/v1/audio/translations`` of the OpenAI API."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from deployments.whisper.types import Finished, Segment, Task, Transcript, TranscriptionEvent, collect
from serve_app.gateway.gateway import Gateway
from serve_app.http.bodies.form import read_form
from serve_app.http.bodies.upload import open_upload
from serve_app.http.errors import Json
from serve_app.http.openai.sse import EventStream
from serve_app.http.openai.transcription_form import read_transcription_form
from serve_app.http.request_id import request_id_of
from serve_app.http.responses.disconnect import while_connected
from serve_app.tasks.transcription import formats as transcripts
from serve_app.tasks.transcription.fields import TRANSCRIPTION_PATHS
from serve_app.tasks.transcription.languages import english_name
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
            return EventStream(_messages(events, parsed.output), parsed.headers)
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


async def _messages(
    events: AsyncGenerator[TranscriptionEvent, None], output: Output
) -> AsyncGenerator[dict[str, Any], None]:
    """One delta for every segment, then the whole text. The deltas put together are the whole text."""
    deltas = transcripts.TextDeltas()
    segments: list[Segment] = []
    async with aclosing(events):
        async for event in events:
            match event:
                case Segment():
                    yield _delta(event, len(segments), deltas.add(event.text), output)
                    segments.append(event)
                case Finished():
                    yield _done(event, segments, deltas.text, output)
                    return
    raise RuntimeError("the transcription ended without its last event")


def _delta(segment: Segment, number: int, delta: str, output: Output) -> dict[str, Any]:
    message: dict[str, Any] = {"type": "transcript.text.delta", "delta": delta}
    if output.logprobs:
        message["logprobs"] = transcripts.logprob_objects([segment])
    if segment.classification:
        message["classification"] = transcripts.classification_object(segment)
    if output.response_format == "verbose_json":
        message["segment"] = transcripts.segment_object(segment, number)
        if output.words:
            message["segment"]["words"] = transcripts.word_objects(segment)
    return message


def _done(finished: Finished, segments: list[Segment], text: str, output: Output) -> dict[str, Any]:
    message: dict[str, Any] = {"type": "transcript.text.done", "text": text}
    if output.logprobs:
        message["logprobs"] = transcripts.logprob_objects(segments)
    if classification := transcripts.classification_list(segments):
        message["classification"] = classification
    if output.response_format == "verbose_json":
        message |= {"language": english_name(finished.language), "duration": finished.duration}
    return message | {
        "languages": transcripts.language_objects(segments),
        "usage": transcripts.usage_object(finished.duration),
    }
