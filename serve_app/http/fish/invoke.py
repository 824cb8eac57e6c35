"""``POST /v1/invoke``: text into speech, as fish-speech 1.1 is asked."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from deployments.errors import VoiceNotFound
from deployments.fish_speech.types import SpeechRequest
from serve_app.fields.audio import uploads_of
from serve_app.fields.json_field import ignored_header
from serve_app.fields.model_fields import unknown_fields, validated
from serve_app.gateway.gateway import Gateway
from serve_app.http.fish.bodies import read_fields
from serve_app.http.fish.invoke_body import InvokeBody
from serve_app.http.request_id import request_id_of
from serve_app.http.responses.disconnect import while_connected
from serve_app.http.responses.speech import speech_response
from serve_app.tasks.speech.encoding import Container
from serve_app.tasks.speech.parsed import ParsedSpeech, check_speakable

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _-]*")


def routes(gateway: Gateway) -> list[BaseRoute]:
    """The one route."""

    async def invoke(request: Request) -> Response:
        body, parsed = await read_fields(
            request, partial(_read, request_id=request_id_of(request.scope)), msgpack=False
        )
        asked = parsed.request
        if body.speaker and not parsed.references:
            voice = await while_connected(request.receive, _voice_of(gateway, body.speaker, body.emotion))
            asked = asked.model_copy(update={"voice": voice})
        return await speech_response(request, gateway.speak(asked, parsed.references), parsed)

    return [Route("/v1/invoke", invoke, methods=["POST"])]


def _read(fields: Mapping[str, Any], request_id: str) -> tuple[InvokeBody, ParsedSpeech]:
    body = validated(InvokeBody, fields)
    body.check()
    check_speakable(body.text)
    audio = body.reference_audio
    request = SpeechRequest(
        text=body.text,
        text_format=body.text_format,
        normalize="en" if body.normalize else None,
        reference_texts=() if audio is None else (body.reference_text or "",),
        speaker=body.speaker or None,
        sampling=body.sampling,
        whole=not body.streaming,
        request_id=request_id,
    )
    headers = ignored_header(unknown_fields(body, fields))
    references = () if audio is None else uploads_of([audio])
    return body, ParsedSpeech(request, references, Container(body.format), body.streaming, headers)


async def _voice_of(gateway: Gateway, speaker: str, emotion: str | None) -> str | None:
    """The voice of the library for a speaker in a mood, else for the speaker; None if it has neither."""
    names = [f"{speaker}/{emotion}", speaker] if emotion else [speaker]
    for name in names:
        if all(_NAME.fullmatch(part) for part in name.split("/")):
            try:
                return (await gateway.voice(name)).id
            except VoiceNotFound:
                continue
    return None
