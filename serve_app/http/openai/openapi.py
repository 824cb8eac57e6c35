"""The OpenAPI document's part on OpenAI's speech and voices."""

from collections.abc import Sequence

from media.encode import CONTENT_TYPES
from serve_app.fields.json_field import JsonField
from serve_app.http.openapi_parts import ERRORS, HEADERS, Document, errors_of, json_answer, property_of, ref
from serve_app.tasks.speech.fields import SPEECH
from serve_app.tasks.speech.voice_fields import NEW_VOICE, VOICE_CHANGE

CONFLICT = {"409": json_answer("There is such a voice already, or it is shipped and stays as it is.", "Error")}
MODEL = {
    "name": "model",
    "in": "query",
    "description": "Id or alias of the model whose library it is; the default model if absent.",
    "schema": {"type": "string"},
}
VOICE_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
PAGE = [
    {
        "name": "limit",
        "in": "query",
        "description": "Most voices of the answer.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 1_000},
    },
    {
        "name": "after",
        "in": "query",
        "description": "Id of the voice behind which the answer begins.",
        "schema": {"type": "string"},
    },
]


def paths() -> Document:
    """Every path with its operations."""
    return {
        "/v1/audio/speech": {"post": _speech()},
        "/v1/audio/voices": {
            "get": _operation("listVoices", "All voices of the library.", "VoiceList", "400", "404")
            | {"parameters": [*PAGE, MODEL]},
            "post": _create(),
        },
        "/v1/audio/voices/{id}": {
            "get": _one("retrieveVoice", "One voice.", "Voice"),
            "post": _one("changeVoice", "Rename or describe a voice.", "Voice", "400", "413", "415")
            | {"requestBody": _body(VOICE_CHANGE, "application/json")},
            "delete": _one("deleteVoice", "Delete a voice.", "VoiceDeleted"),
        },
    }


def _speech() -> Document:
    sound = {"schema": {"type": "string", "format": "binary"}}
    facts = {
        "X-Sample-Rate": {"description": "Of the audio, in Hz.", "schema": {"type": "integer"}},
        "X-Seed": {"description": "Repeats this speech.", "schema": {"type": "integer"}},
    }
    return {
        "operationId": "speak",
        "summary": "Turn text into speech.",
        "description": "`input` is required.",
        "requestBody": _body(SPEECH, "application/json"),
        "responses": {
            "200": {
                "description": "The audio in the wanted format, or its stream of events.",
                "headers": {**HEADERS, **facts},
                "content": {
                    **dict.fromkeys(CONTENT_TYPES.values(), sound),
                    "text/event-stream": {"schema": ref("SpeechEvent")},
                },
            },
            **errors_of(ERRORS),
        },
    }


def _create() -> Document:
    operation = _operation("createVoice", "Keep a voice.", "Voice", *ERRORS)
    operation["responses"] = {**operation["responses"], **CONFLICT}
    return {
        **operation,
        "description": "`name` and `audio_sample` are required. A JSON object with the same fields is taken, too.",
        "requestBody": _body(NEW_VOICE, "multipart/form-data"),
    }


def _one(operation: str, summary: str, schema: str, *errors: str) -> Document:
    found = _operation(operation, summary, schema, "404", *errors) | {"parameters": [VOICE_ID, MODEL]}
    if schema == "VoiceDeleted" or errors:
        found["responses"] = {**found["responses"], **CONFLICT}
    return found


def _operation(operation: str, summary: str, schema: str, *errors: str) -> Document:
    statuses = sorted({"401", "500", "503", "504", *errors})
    return {
        "operationId": operation,
        "summary": summary,
        "responses": {"200": json_answer(summary, schema), **errors_of(statuses)},
    }


def _body(table: Sequence[JsonField], kind: str) -> Document:
    required = [field.name for field in table if field.required]
    schema: Document = {"type": "object", "properties": {field.name: property_of(field) for field in table}}
    return {"required": True, "content": {kind: {"schema": schema | ({"required": required} if required else {})}}}
