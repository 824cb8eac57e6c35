"""``/v1/references/*``: the voice library in the manner of fish-speech's newest server."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from deployments.errors import ClientError, InvalidRequest
from deployments.fish_speech.types import NewVoice, VoiceChange
from deployments.texts import check_text
from serve_app.fields.audio import AudioBytes, uploads_of
from serve_app.fields.model_fields import validated
from serve_app.gateway.gateway import Gateway
from serve_app.http.fish.form_body import read_any
from serve_app.http.fish.replies import reply
from serve_app.http.query import reads_query
from serve_app.http.responses.disconnect import while_connected
from serve_app.tasks.speech.fish_fields import LONGEST_TRANSCRIPT, FishBody

SHAPED_HERE = frozenset({400, 404, 409})  # in the shape of these routes; all else as everywhere
ID = "letters, digits, blanks, `-` and `_`, at most 255 of them, a letter or digit first and no blank last"
LONGEST_ID = 1_000  # longer ones are no ids; those of more than 255 characters are refused as such
LIBRARY = "The model whose library it is; the default model if absent."

Model = TypeVar("Model", bound=BaseModel)


class AddBody(FishBody):
    """A voice to be kept, from one recording."""

    id: str = Field(max_length=LONGEST_ID, description=f"The voice's id: {ID}.")
    audio: AudioBytes = Field(description="The recording: a file, in JSON as base64.")
    text: str = Field(max_length=LONGEST_TRANSCRIPT, description="What is said in it.")
    model: str | None = Field(None, max_length=256, description=LIBRARY)


class DeleteBody(FishBody):
    """A voice to be removed."""

    reference_id: str = Field(max_length=LONGEST_ID, description="The voice's id.")
    model: str | None = Field(None, max_length=256, description=LIBRARY)


class UpdateBody(FishBody):
    """A voice to be renamed."""

    old_reference_id: str = Field(max_length=LONGEST_ID, description="The voice's id.")
    new_reference_id: str = Field(max_length=LONGEST_ID, description=f"Its new id: {ID}.")
    model: str | None = Field(None, max_length=256, description=LIBRARY)


def routes(gateway: Gateway) -> list[BaseRoute]:
    """The four routes."""

    async def add(body: AddBody) -> dict[str, Any]:
        check_text(body.text, "`text`", param="text", remedy="send what to say")
        voice = _valid(NewVoice, "id", id=body.id, texts=(body.text,))
        added = await gateway.add_voice(voice, uploads_of([body.audio]), body.model)
        return {"message": f"The reference '{added.id}' was added.", "reference_id": added.id}

    @reads_query("model", "format")
    async def list_all(request: Request) -> Response:
        voices = await while_connected(request.receive, gateway.voices(request.query_params.get("model") or None))
        ids = [voice.id for voice in voices]
        content = {"success": True, "message": f"There are {len(ids)} references.", "reference_ids": ids}
        return reply(request, content)

    async def delete(body: DeleteBody) -> dict[str, Any]:
        await gateway.delete_voice(body.reference_id, body.model)
        return {"message": f"The reference '{body.reference_id}' was deleted.", "reference_id": body.reference_id}

    async def update(body: UpdateBody) -> dict[str, Any]:
        old, change = body.old_reference_id, _valid(VoiceChange, "new_reference_id", id=body.new_reference_id)
        changed = await gateway.change_voice(old, change, body.model)
        return {
            "message": f"The reference '{old}' is now '{changed.id}'.",
            "reference_id": changed.id,
            "old_reference_id": old,
            "new_reference_id": changed.id,
        }

    return [
        Route("/v1/references/add", _endpoint(AddBody, add, lambda body: body.id), methods=["POST"]),
        Route("/v1/references/list", list_all, methods=["GET"]),
        Route(
            "/v1/references/delete",
            _endpoint(DeleteBody, delete, lambda body: body.reference_id),
            methods=["DELETE"],
        ),
        Route(
            "/v1/references/update",
            _endpoint(UpdateBody, update, lambda body: body.old_reference_id),
            methods=["POST"],
        ),
    ]


def _endpoint(
    model: type[Model], act: Callable[[Model], Any], named: Callable[[Model], str]
) -> Callable[[Request], Awaitable[Response]]:
    @reads_query("format")
    async def endpoint(request: Request) -> Response:
        body = await read_any(request, partial(validated, model))
        try:
            content = await while_connected(request.receive, act(body))
        except ClientError as error:
            if error.status not in SHAPED_HERE:
                raise
            content = {"success": False, "message": error.message, "reference_id": named(body)}
            return reply(request, content, error.status)
        return reply(request, {"success": True, **content})

    return endpoint


def _valid(model: type[Model], param: str, **fields: Any) -> Model:
    try:
        return model(**fields)
    except ValidationError as error:
        raise InvalidRequest(f"`{param}` has to consist of {ID}.", param=param) from error
