"""``POST /v1/audio/speech`` of the OpenAI API."""

import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deployments.errors import AntiphonError
from deployments.fish_speech.types import Finished, SpeechEvent, Started
from serve_app.gateway.gateway import Gateway
from serve_app.http.bodies.json_body import read_json
from serve_app.http.openai.sse import EventStream
from serve_app.http.request_id import request_id_of
from serve_app.http.responses.disconnect import while_connected
from serve_app.http.responses.speech import speech_response
from serve_app.tasks.speech.encoding import Container, encode_events
from serve_app.tasks.speech.fields import SPEECH_PATH
from serve_app.tasks.speech.parse import parse_speech, with_known_voice

MAX_BYTES = 32 * 1024**2  # of JSON: recordings in base64
OUR_NAMES = {"text": "input", "reference_texts": "references"}  # of fields, by the models' names of them


def routes(gateway: Gateway) -> list[Route]:
    """The one route."""

    async def speak(request: Request) -> Response:
        parsed = await read_json(
            request, partial(parse_speech, request_id=request_id_of(request.scope)), MAX_BYTES
        )
        known = with_known_voice(parsed, partial(gateway.voice, model=parsed.request.model))
        parsed = await while_connected(request.receive, known)
        events = _translate_errors(gateway.speak(parsed.request, parsed.references))
        if parsed.events:
            return EventStream(_messages(events, parsed.container), parsed.headers)
        return await speech_response(request, events, parsed)

    return [Route(SPEECH_PATH, speak, methods=["POST"])]


async def _translate_errors(events: AsyncGenerator[SpeechEvent, None]) -> AsyncGenerator[SpeechEvent, None]:
    """The same events. What they raise names this API's fields."""
    try:
        async with aclosing(events):
            async for event in events:
                yield event
    except AntiphonError as error:
        error.param = OUR_NAMES.get(error.param or "", error.param)
        raise


async def _messages(
    events: AsyncGenerator[SpeechEvent, None], container: Container
) -> AsyncGenerator[dict[str, Any], None]:
    """The file in deltas, then what it took to make."""
    started: Started | None = None
    async with aclosing(encode_events(events, container)) as parts:
        async for part in parts:
            if part.data:
                yield {"type": "speech.audio.delta", "audio": base64.b64encode(part.data).decode("ascii")}
            match part.event:
                case Started():
                    started = part.event
                case Finished():
                    assert started is not None
                    yield _done(started, part.event)
                    return
    raise RuntimeError("the speech ended without its last event")


def _done(started: Started, finished: Finished) -> dict[str, Any]:
    message: dict[str, Any] = {
        "type": "speech.audio.done",
        "usage": {
            "input_tokens": started.text_tokens,
            "output_tokens": finished.frames,
            "total_tokens": started.text_tokens + finished.frames,
        },
        "seed": started.seed,
        "seconds": round(finished.samples / started.sample_rate, 3),
    }
    if started.classification is not None:
        message["classification"] = dict(started.classification)
    return message
