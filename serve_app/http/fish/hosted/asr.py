"""``POST /v1/asr``: speech into text, as the hosted service and as fish-speech's own server are asked."""

from collections.abc import Mapping
from contextlib import aclosing
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from deployments.errors import InvalidRequest
from deployments.whisper.types import Transcript, TranscriptionRequest, collect
from media.encode import encode
from serve_app.fields.audio import AudioBytes, Upload, uploads_of
from serve_app.fields.model_fields import validated
from serve_app.gateway.gateway import Gateway
from serve_app.http.errors import Json
from serve_app.http.fish.form_body import read_any
from serve_app.http.fish.replies import reply
from serve_app.http.query import reads_query
from serve_app.http.request_id import request_id_of
from serve_app.http.responses.disconnect import while_connected
from serve_app.tasks.speech.fish_fields import FishBody
from serve_app.tasks.transcription.languages import LANGUAGE_HELP, asks_to_detect, language_code

MAX_SAMPLES_S = 30  # of fish-speech's own server
HUGE_GAP_S = 3.0
"""A longer silence between two segments is a huge gap."""


def _language(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if asks_to_detect(value):
        return None
    code = language_code(value)
    if code is None:
        raise PydanticCustomError("language", f"Input should be {LANGUAGE_HELP}")
    return code


Language = Annotated[str | None, BeforeValidator(_language)]


class AsrBody(FishBody):
    """One audio file to be written down, as the hosted service takes it."""

    audio: AudioBytes = Field(description="The audio file; in JSON as base64.")
    language: Language = Field(None, description="A tag such as `en` or `en-US`; detected if absent or `auto`.")
    ignore_timestamps: bool | None = Field(None, description="Whether to leave out `segments`.")
    model: str | None = Field(None, max_length=256, description="Id or alias of a transcription model.")


class SamplesBody(FishBody):
    """Samples to be written down, as fish-speech's own server takes them."""

    audios: list[AudioBytes] = Field(
        min_length=1, max_length=64, description="Mono samples, float16 little endian."
    )
    sample_rate: int = Field(44_100, ge=8_000, le=192_000, description="Of the samples, in Hz.")
    language: Language = Field(None, description="A tag such as `en` or `en-US`; detected if absent or `auto`.")
    model: str | None = Field(None, max_length=256, description="Id or alias of a transcription model.")


def routes(gateway: Gateway) -> list[BaseRoute]:
    """The one route. A body with ``audios`` is in the manner of fish-speech's own server."""

    @reads_query("format")
    async def asr(request: Request) -> Response:
        body, uploads = await read_any(request, _read)
        asked = TranscriptionRequest(
            language=body.language, model=body.model or None, request_id=request_id_of(request.scope)
        )
        work = _transcripts(gateway, asked, uploads)
        transcripts = await while_connected(request.receive, work)
        if isinstance(body, SamplesBody):
            return reply(request, {"transcriptions": [_transcription(one) for one in transcripts]})
        return Json(_answer(transcripts[0], segments=not body.ignore_timestamps))

    return [Route("/v1/asr", asr, methods=["POST"])]


def _read(fields: Mapping[str, Any]) -> tuple[AsrBody | SamplesBody, tuple[Upload, ...]]:
    if "audios" not in fields:
        body = validated(AsrBody, fields)
        return body, uploads_of([body.audio])
    samples = validated(SamplesBody, fields)
    return samples, uploads_of([_file(one, samples.sample_rate) for one in samples.audios])


def _file(samples: bytes, rate: int) -> bytes:
    """Samples as a WAV file. Raises InvalidRequest."""
    if len(samples) % 2:
        raise InvalidRequest("`audios` has to hold float16 samples, two bytes each.", param="audios")
    if len(samples) // 2 >= MAX_SAMPLES_S * rate:
        raise InvalidRequest("Audio length is too long", param="audios")
    return encode(np.frombuffer(samples, dtype="<f2"), "wav", rate)


async def _transcripts(
    gateway: Gateway, request: TranscriptionRequest, uploads: tuple[Upload, ...]
) -> list[Transcript]:
    transcripts = []
    for upload in uploads:
        async with aclosing(gateway.transcribe(request, upload)) as events:
            transcripts.append(await collect("transcribe", events))
    return transcripts


def _answer(transcript: Transcript, *, segments: bool) -> dict[str, Any]:
    """The hosted service's answer: ``duration`` in milliseconds, times of segments in seconds."""
    listed = transcript.segments if segments else ()
    return {
        "text": transcript.text,
        "duration": round(transcript.duration * 1_000, 3),
        "segments": [{"text": one.text.strip(), "start": one.start, "end": one.end} for one in listed],
    }


def _transcription(transcript: Transcript) -> dict[str, Any]:
    pairs = zip(transcript.segments, transcript.segments[1:], strict=False)
    return {
        "text": transcript.text,
        "duration": round(transcript.duration * 1_000, 3),
        "huge_gap": any(after.start - before.end > HUGE_GAP_S for before, after in pairs),
    }
