"""``POST /v1/audio/speech`` of the OpenAI API."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deployments.errors import AntiphonError
from deployments.fish_speech.types import SpeechEvent
from serve_app.config.models import FishSpeechEntry
from serve_app.gateway.gateway import Gateway
from serve_app.http.bodies.json_body import read_json
from serve_app.http.openai.event_stream import EventStream
from serve_app.http.openai.speech_events import speech_messages
from serve_app.http.request_id import request_id_of
from serve_app.http.responses.disconnect import while_connected
from serve_app.http.responses.speech import speech_response
from serve_app.tasks.speech.fields import SPEECH_PATH
from serve_app.tasks.speech.parse import parse_speech, with_known_voice

MAX_BYTES = 32 * 1024**2  # of JSON: recordings in base64
OUR_NAMES = {"text": "input", "reference_texts": "references"}  # of fields, by the models' names of them


def routes(gateway: Gateway) -> list[Route]:
    """The one route."""

    def ignores_instructions(model: str | None) -> bool:
        entry = gateway.models.resolve("speech", model).entry
        return isinstance(entry, FishSpeechEntry) and entry.instructions == "ignored"

    async def speak(request: Request) -> Response:
        read = partial(
            parse_speech, request_id=request_id_of(request.scope), ignores_instructions=ignores_instructions
        )
        parsed = await read_json(request, read, MAX_BYTES)
        known = with_known_voice(parsed, partial(gateway.voice, model=parsed.request.model))
        parsed = await while_connected(request.receive, known)
        events = _translate_errors(gateway.speak(parsed.request, parsed.references))
        if parsed.events:
            return EventStream(speech_messages(events, parsed.container), parsed.headers)
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
