"""``/v1/audio/voices``: the library of voices, in OpenAI's format."""

from collections.abc import Sequence
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deployments.errors import InvalidRequest, VoiceNotFound
from deployments.fish_speech.types import Voice
from serve_app.fields.audio import Upload
from serve_app.fields.form_values import quoted
from serve_app.gateway.gateway import Gateway
from serve_app.http.bodies.content_type import body_type
from serve_app.http.bodies.form import CHARSETS, MULTIPART, form_object, read_form
from serve_app.http.bodies.json_body import read_json
from serve_app.http.bodies.upload import open_upload
from serve_app.http.errors import Json
from serve_app.http.openai.speech import MAX_BYTES
from serve_app.http.query import reads_query
from serve_app.http.request_id import request_id_of
from serve_app.http.responses.disconnect import while_connected
from serve_app.tasks.speech.recordings import transcripts_of
from serve_app.tasks.speech.voice_fields import VOICES_PATH
from serve_app.tasks.speech.voice_parse import ParsedVoice, parse_change, parse_new_voice

MOST = 1_000  # voices on a page, if it has a limit


def routes(gateway: Gateway) -> list[Route]:
    """List and create; retrieve, change and delete."""

    @reads_query("limit", "after", "model")
    async def list_voices(request: Request) -> Response:
        voices = await gateway.voices(_model(request))
        shown = _page(voices, request)
        return Json(
            {
                "object": "list",
                "data": [voice_object(voice) for voice in shown],
                "first_id": shown[0].id if shown else None,
                "last_id": shown[-1].id if shown else None,
                "has_more": bool(shown) and shown[-1].id != voices[-1].id,
                # the shape in which other servers answer, and user interfaces read it
                "voices": [{"id": voice.id, "name": name_of(voice)} for voice in shown],
            }
        )

    async def create_voice(request: Request) -> Response:
        if body_type(request, CHARSETS) == MULTIPART:
            async with read_form(request) as fields:
                parsed = parse_new_voice(await form_object(fields, _file, _plain_name))
        else:
            parsed = await read_json(request, parse_new_voice, MAX_BYTES)
        voice = await while_connected(request.receive, _create(gateway, parsed, request_id_of(request.scope)))
        return Json(voice_object(voice), headers=parsed.headers)

    @reads_query("model")
    async def retrieve_voice(request: Request) -> Response:
        return Json(voice_object(await gateway.voice(_id(request), _model(request))))

    @reads_query("model")
    async def change_voice(request: Request) -> Response:
        voice = await gateway.voice(_id(request), _model(request))
        change = await read_json(request, lambda body: parse_change(body, voice))
        return Json(voice_object(await gateway.change_voice(voice.id, change, _model(request))))

    @reads_query("model")
    async def delete_voice(request: Request) -> Response:
        await gateway.delete_voice(_id(request), _model(request))
        return Json({"id": _id(request), "object": "audio.voice.deleted", "deleted": True})

    one = f"{VOICES_PATH}/{{id:path}}"
    return [
        Route(VOICES_PATH, list_voices, methods=["GET"]),
        Route(VOICES_PATH, create_voice, methods=["POST"]),
        Route(one, retrieve_voice, methods=["GET"]),
        Route(one, change_voice, methods=["POST"]),
        Route(one, delete_voice, methods=["DELETE"]),
    ]


def voice_object(voice: Voice) -> dict[str, Any]:
    """A voice as the API shows it; times are whole Unix seconds."""
    return {
        "id": voice.id,
        "object": "audio.voice",
        "created_at": int(voice.created),
        "updated_at": int(voice.updated),
        "name": name_of(voice),
        "type": "audio_sample",
        "description": voice.details.description,
        "tags": list(voice.details.tags),
        "languages": list(voice.details.languages),
        "texts": list(voice.texts),
        "shipped": voice.shipped,
    }


def name_of(voice: Voice) -> str:
    """What a voice is called."""
    return voice.details.title or voice.id


async def _file(_: str, file: UploadFile) -> Upload:
    return await open_upload(file)


def _plain_name(wire_name: str) -> str:
    return wire_name.partition("[")[0]


async def _create(gateway: Gateway, parsed: ParsedVoice, request_id: str) -> Voice:
    texts = parsed.texts or await _transcripts(gateway, parsed.recordings, request_id)
    return await gateway.add_voice(parsed.voice(texts), parsed.recordings, parsed.model)


async def _transcripts(gateway: Gateway, recordings: Sequence[Upload], request_id: str) -> tuple[str, ...]:
    """What is said in recordings. Raises InvalidRequest if no model can tell."""
    if gateway.models.default("transcription") is None:
        raise InvalidRequest("`text` is missing: send what is said in the recording.", param="text")
    silence = InvalidRequest(
        "No words were heard in the recording; send what is said in it as `text`.", param="text"
    )
    return await transcripts_of(recordings, gateway.transcribe, request_id, silence=silence)


def _page(voices: list[Voice], request: Request) -> list[Voice]:
    """At most ``limit`` voices of those that come behind ``after``."""
    limit, after = request.query_params.get("limit"), request.query_params.get("after")
    if limit is not None and not (limit.isascii() and limit.isdecimal() and 0 < int(limit[:9]) <= MOST):
        raise InvalidRequest(
            f"`limit` has to be a whole number from 1 to {MOST}, not {quoted(limit)}.", param="limit"
        )
    ids = [voice.id for voice in voices]
    if after is not None and after not in ids:
        raise VoiceNotFound(f"There is no voice {quoted(after)} to go on behind.", param="after")
    first = 0 if after is None else ids.index(after) + 1
    return voices[first:] if limit is None else voices[first : first + int(limit)]


def _id(request: Request) -> str:
    return str(request.path_params["id"])


def _model(request: Request) -> str | None:
    return request.query_params.get("model") or None
