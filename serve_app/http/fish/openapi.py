"""The OpenAPI document's part on fish-speech's API."""

from pydantic import BaseModel

from media.encode import CONTENT_TYPES
from serve_app.http.fish.fields import fields_of
from serve_app.http.fish.hosted.asr import AsrBody
from serve_app.http.fish.hosted.voice_entities import VoiceQuery
from serve_app.http.fish.hosted.voices import NewVoiceBody, VoiceBody
from serve_app.http.fish.invoke_body import InvokeBody
from serve_app.http.fish.references import AddBody, DeleteBody, UpdateBody
from serve_app.http.fish.vqgan import DecodeBody, EncodeBody
from serve_app.http.openapi_parts import ERRORS, HEADERS, RETRIED, Document, json_answer, property_of, ref
from serve_app.tasks.speech.fish_fields import TtsBody

STRING: Document = {"type": "string"}
BINARY: Document = {"type": "string", "format": "binary"}
WRONG_FIELDS = "A field is missing or wrong. Clients that send the header `model` get an object instead of a list."
JSON, MSGPACK, FORM = "application/json", "application/msgpack", "multipart/form-data"
VOICE_ID = {"name": "id", "in": "path", "required": True, "schema": STRING}
MODEL_HEADER = {
    "name": "model",
    "in": "header",
    "description": "Id or alias of a served model, or a model of the hosted service, whose defaults hold then.",
    "schema": STRING,
}
MODEL_QUERY = {
    "name": "model",
    "in": "query",
    "description": "Id or alias of the model whose library it is; the default model if absent.",
    "schema": STRING,
}


def _object(**properties: Document) -> Document:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: Document) -> Document:
    return {"type": "array", "items": items}


SCHEMAS: Document = {
    "FishError": _object(statusCode={"type": "integer"}, message=STRING, error=STRING),
    "FishWrongFields": _list(_object(type=STRING, loc=_list({}), msg=STRING, **{"in": {"const": "body"}})),
    "FishCloudError": _object(status={"type": "integer"}, message=STRING),
    "FishReference": _object(success={"type": "boolean"}, message=STRING, reference_id=STRING),
    "FishReferences": _object(success={"type": "boolean"}, message=STRING, reference_ids=_list(STRING)),
    "FishTokens": _object(tokens=_list(_list(_list({"type": "integer"})))),
    "FishAudios": _object(audios=_list(BINARY)),
    "FishTranscript": _object(
        text=STRING,
        duration={"type": "number", "description": "milliseconds"},
        segments=_list(_object(text=STRING, start={"type": "number"}, end={"type": "number"})),
    ),
    "FishVoice": _object(
        _id=STRING,
        type={"const": "tts"},
        title=STRING,
        description=STRING,
        cover_image=STRING,
        train_mode={"const": "fast"},
        state={"const": "trained"},
        tags=_list(STRING),
        samples=_list(_object(title=STRING, text=STRING, task_id=STRING, audio=STRING)),
        created_at=STRING,
        updated_at=STRING,
        languages=_list(STRING),
        visibility={"enum": ["public", "private"]},
        lock_visibility={"type": "boolean"},
        **{f"{name}_count": {"const": 0} for name in ("like", "mark", "shared", "task")},
        liked={"const": False},
        marked={"const": False},
        author=_object(_id=STRING, nickname=STRING, avatar=STRING),
    ),
    "FishVoices": _object(total={"type": "integer"}, items=_list(ref("FishVoice"))),
}


def paths() -> Document:
    """Every path with its operations."""
    speech = {"description": "The audio.", "headers": HEADERS, "content": _audio()}
    tokens, audios = _packed("The codes.", "FishTokens"), _packed("PCM of float16.", "FishAudios")
    transcript, voice, voices = map(_json, ("FishTranscript", "FishVoice", "FishVoices"))
    gone = {"description": "It is deleted."}
    healthy = {"200": json_answer("The server answers.", "Health")}
    reference = _packed("What was done.", "FishReference")
    return {
        "/v1/tts": {
            "post": _operation("fishSpeak", "Turn text into speech.", speech, TtsBody, JSON, MSGPACK)
            | {"parameters": [MODEL_HEADER]}
        },
        "/v1/tts/live": {"get": _live()},
        "/v1/vqgan/encode": {
            "post": _operation("fishEncode", "Codes of audio files.", tokens, EncodeBody, MSGPACK, JSON)
        },
        "/v1/vqgan/decode": {
            "post": _operation("fishDecode", "Sound of codes.", audios, DecodeBody, MSGPACK, JSON)
        },
        "/v1/references/add": {
            "post": _operation("fishAddReference", "Keep a voice.", reference, AddBody, FORM, JSON, MSGPACK)
        },
        "/v1/references/list": {
            "get": _operation("fishListReferences", "All voices.", _packed("Their ids.", "FishReferences"))
            | {"parameters": [MODEL_QUERY]}
        },
        "/v1/references/delete": {
            "delete": _operation("fishDeleteReference", "Delete a voice.", reference, DeleteBody, JSON, MSGPACK)
        },
        "/v1/references/update": {
            "post": _operation("fishRenameReference", "Rename a voice.", reference, UpdateBody, JSON, MSGPACK)
        },
        "/v1/invoke": {
            "post": _operation(
                "fishInvoke", "Turn text into speech, as version 1.1 is asked.", speech, InvokeBody, JSON
            )
        },
        "/v1/asr": {
            "post": _operation("fishTranscribe", "Write down speech.", transcript, AsrBody, MSGPACK, JSON)
        },
        "/model": {
            "get": _operation("fishFindVoices", "Voices of the library.", voices)
            | {"parameters": _query(VoiceQuery)},
            "post": _operation(
                "fishMakeVoice", "Make a voice of recordings.", voice, NewVoiceBody, FORM, MSGPACK, status="201"
            ),
        },
        "/model/{id}": {
            "get": _operation("fishVoice", "One voice.", voice) | {"parameters": [VOICE_ID, MODEL_QUERY]},
            "patch": _operation("fishChangeVoice", "Describe a voice.", voice, VoiceBody, FORM, JSON)
            | {"parameters": [VOICE_ID]},
            "delete": _operation("fishDeleteVoice", "Delete a voice.", gone, status="204")
            | {"parameters": [VOICE_ID, MODEL_QUERY]},
        },
        "/v1/health": {
            method: {
                "operationId": f"fishHealth{method.title()}",
                "summary": "Whether the server answers.",
                "responses": healthy,
            }
            for method in ("get", "post")
        },
    }


def _live() -> Document:
    return {
        "operationId": "fishSpeakLive",
        "summary": "Speak text that is still coming, over a WebSocket.",
        "description": "Binary msgpack messages: `start`, `text`, `flush`, `stop` in, `audio` and `finish` out.",
        "parameters": [MODEL_HEADER],
        "responses": {"101": {"description": "The connection is a WebSocket now."}, **_errors("401")},
    }


def _operation(
    operation: str,
    summary: str,
    answer: Document,
    body: type[BaseModel] | None = None,
    *kinds: str,
    status: str = "200",
) -> Document:
    found: Document = {
        "operationId": operation,
        "summary": summary,
        "responses": {status: answer, **_errors("422", *ERRORS)},
    }
    if body is not None:
        fields = fields_of(body)
        schema: Document = {"type": "object", "properties": {field.name: property_of(field) for field in fields}}
        if required := [field.name for field in fields if field.required]:
            schema["required"] = required
        found["requestBody"] = {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}
    return found


def _errors(*statuses: str) -> Document:
    either = {"anyOf": [ref("FishError"), ref("FishCloudError")]}
    waiting = {"headers": {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}}
    wrong = {"description": WRONG_FIELDS, "content": {JSON: {"schema": ref("FishWrongFields")}}}
    return {
        status: wrong
        if status == "422"
        else {"description": ERRORS[status], "content": {JSON: {"schema": either}}}
        | (waiting if status in RETRIED else {})
        for status in sorted(statuses)
    }


def _audio() -> Document:
    return {kind: {"schema": BINARY} for kind in CONTENT_TYPES.values()}


def _json(schema: str) -> Document:
    return json_answer("The answer.", schema)


def _packed(description: str, schema: str) -> Document:
    return {"description": description, "content": {kind: {"schema": ref(schema)} for kind in (MSGPACK, JSON)}}


def _query(model: type[BaseModel]) -> list[Document]:
    return [
        {"name": field.name, "in": "query", "description": field.description, "schema": field.schema}
        for field in fields_of(model)
    ]
