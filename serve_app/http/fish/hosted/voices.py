"""``/model`` and ``/model/{id}`` of the hosted service: voices are found, made, described and removed."""

import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

from pydantic import Field, ValidationError, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from deployments.errors import InvalidRequest, ModelNotFound
from deployments.fish_speech.types import NewVoice, Voice, VoiceChange, VoiceDetails
from serve_app.fields.audio import AudioBytes, Upload, uploads_of
from serve_app.fields.model_fields import Unprocessable, validated
from serve_app.gateway.gateway import Gateway
from serve_app.http.errors import Json
from serve_app.http.fish.form_body import read_any
from serve_app.http.fish.hosted.voice_entities import VoiceQuery, entity, page_of
from serve_app.http.query import reads_query
from serve_app.http.request_id import request_id_of
from serve_app.http.responses.disconnect import while_connected
from serve_app.tasks.speech.fish_fields import LONGEST_TRANSCRIPT, UNUSED, FishBody
from serve_app.tasks.speech.recordings import transcripts_of

LISTS = frozenset({"voices", "texts", "tags"})
QUERY_LISTS = frozenset({"tag", "language", "title_language"})
MAX_RECORDINGS = 16
READ_OF_QUERY = {"self", *VoiceQuery.model_fields}


class VoiceBody(FishBody):
    """What is to be known of a voice. Of one that there is already, what is absent stays as it is."""

    title: str | None = Field(None, max_length=255, description="Its name.")
    description: str | None = Field(None, max_length=4_096, description="What it is like.")
    tags: list[str] | None = Field(None, max_length=64, description="Words to find it by.")
    languages: list[str] | None = Field(None, max_length=64, description="The languages that it speaks.")
    visibility: str | None = Field(None, description=f"{UNUSED}: whoever may use the server may use the voice.")
    cover_image: Annotated[Any, WithJsonSchema({"type": "string", "format": "binary"})] = Field(
        None, description=f"{UNUSED}."
    )
    model: str | None = Field(None, max_length=256, description="The model whose library it is.")


class NewVoiceBody(VoiceBody):
    """A voice to be made of recordings."""

    title: str = Field(min_length=1, max_length=255, description="Its name.")
    voices: list[AudioBytes] = Field(
        min_length=1, max_length=MAX_RECORDINGS, description="Recordings of it: files."
    )
    texts: list[Annotated[str, Field(max_length=LONGEST_TRANSCRIPT)]] = Field(
        [], max_length=MAX_RECORDINGS, description="What is said in each; transcribed here if absent."
    )
    type: str = Field("tts", pattern="^tts$", description="Only `tts` is made here.")
    train_mode: str = Field("fast", pattern="^fast$", description="Only `fast`: nothing is trained.")
    enhance_audio_quality: bool = Field(False, description=f"{UNUSED}.")


def routes(gateway: Gateway) -> list[BaseRoute]:
    """The two routes with their methods."""

    async def find(request: Request) -> Response:
        query = validated(VoiceQuery, _parameters(request))
        voices = await while_connected(request.receive, gateway.voices(query.model))
        return Json(page_of(voices, query))

    async def create(request: Request) -> Response:
        body = await read_any(request, partial(validated, NewVoiceBody), LISTS)
        making = _create(gateway, body, request_id_of(request.scope))
        return Json(entity(await while_connected(request.receive, making)), 201)

    async def retrieve(request: Request) -> Response:
        name: str = request.path_params["name"]
        model = request.query_params.get("model") or None
        return Json(entity(await while_connected(request.receive, gateway.voice(name, model))))

    async def change(request: Request) -> Response:
        body = await read_any(request, partial(validated, VoiceBody), LISTS)
        changing = _change(gateway, request.path_params["name"], body)
        return Json(entity(await while_connected(request.receive, changing)))

    async def delete(request: Request) -> Response:
        model = request.query_params.get("model") or None
        await while_connected(request.receive, gateway.delete_voice(request.path_params["name"], model))
        return Response(status_code=204)

    @reads_query(*READ_OF_QUERY)
    async def all_voices(request: Request) -> Response:
        return await (create(request) if request.method == "POST" else find(request))

    @reads_query("model")
    async def one_voice(request: Request) -> Response:
        act = {"PATCH": change, "DELETE": delete}.get(request.method, retrieve)
        return await act(request)

    return [
        Route("/model", all_voices, methods=["GET", "POST"]),
        Route("/model/{name:path}", one_voice, methods=["GET", "PATCH", "DELETE"]),
    ]


async def _create(gateway: Gateway, body: NewVoiceBody, request_id: str) -> Voice:
    """Keep a voice under an id of our own, as the hosted service does."""
    recordings = uploads_of(body.voices)
    texts = body.texts or await _transcripts(gateway, recordings, request_id)
    if len(texts) != len(recordings):
        raise InvalidRequest(
            f"There are {len(recordings)} `voices` and {len(texts)} `texts`; send one text for each recording, or "
            "none at all.",
            param="texts",
        )
    voice = NewVoice(id=uuid.uuid4().hex, texts=tuple(texts), details=_details(body, VoiceDetails()))
    return await gateway.add_voice(voice, recordings, body.model)


async def _change(gateway: Gateway, name: str, body: VoiceBody) -> Voice:
    voice = await gateway.voice(name, body.model)
    return await gateway.change_voice(name, VoiceChange(details=_details(body, voice.details)), body.model)


def _details(body: VoiceBody, old: VoiceDetails) -> VoiceDetails:
    sent = {name: getattr(body, name) for name in VoiceDetails.model_fields}
    changed = {name: value for name, value in sent.items() if value is not None}
    try:
        return VoiceDetails.model_validate(old.model_dump() | changed)
    except ValidationError as error:
        raise Unprocessable.of(error) from error


async def _transcripts(gateway: Gateway, recordings: Sequence[Upload], request_id: str) -> tuple[str, ...]:
    """What is said in recordings, as the default transcription model hears it. Raises InvalidRequest if there is
    none.
    """
    try:
        return await transcripts_of(recordings, gateway.transcribe, request_id)
    except ModelNotFound as error:
        raise InvalidRequest(
            "`texts` is missing, and no model here could transcribe `voices`; send a text for each.",
            param="texts",
        ) from error


def _parameters(request: Request) -> Mapping[str, Any]:
    query = request.query_params
    return {name: query.getlist(name) if name in QUERY_LISTS else query[name] for name in query}
