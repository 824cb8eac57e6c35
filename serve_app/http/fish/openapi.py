"""The OpenAPI document's part on fish-speech's API."""

from pydantic import BaseModel

from media.encode import CONTENT_TYPES
from serve_app.http.fish.field_rows import fields_of
from serve_app.http.fish.hosted.asr import AsrBody
from serve_app.http.fish.hosted.voice_entities import VoiceQuery
from serve_app.http.fish.hosted.voices import NewVoiceBody, VoiceBody
from serve_app.http.fish.invoke_body import InvokeBody
from serve_app.http.fish.references import AddBody, DeleteBody, UpdateBody
from serve_app.http.fish.vqgan import DecodeBody, EncodeBody
from serve_app.http.openapi_parts import (
    BINARY,
    BOOLEAN,
    ERRORS,
    FORM,
    HEADERS,
    INTEGER,
    JSON,
    NUMBER,
    RETRIED,
    SPEECH_HEADERS,
    STRING,
    Document,
    json_answer,
    list_of,
    nullable,
    object_of,
    ref,
    request_body,
)
from serve_app.tasks.speech.fish_fields import CloudTtsBody, TtsBody

WRONG_FIELDS = "A field is missing or wrong. Clients that send the header `model` get an object instead of a list."
MSGPACK = "application/msgpack"
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


SCHEMAS: Document = {
    "FishError": object_of(statusCode=INTEGER, message=STRING, error=STRING),
    "FishWrongFields": list_of(object_of(type=STRING, loc=list_of({}), msg=STRING, **{"in": {"const": "body"}})),
    "FishCloudError": object_of(status=INTEGER, message=STRING),
    "FishReference": object_of(success=BOOLEAN, message=STRING, reference_id=STRING),
    "FishReferences": object_of(success=BOOLEAN, message=STRING, reference_ids=list_of(STRING)),
    "FishTokens": object_of(tokens=list_of(list_of(list_of(INTEGER)))),
    "FishAudios": object_of(audios=list_of(BINARY)),
    "FishTimedSpeech": object_of(
        audio_base64=STRING,
        content=STRING,
        alignment=nullable(
            object_of(segments=list_of(object_of(text=STRING, start=NUMBER, end=NUMBER)), audio_duration=NUMBER)
        ),
        chunk_seq={"const": 0},
        chunk_audio_offset_sec={"const": 0},
        cut_=BOOLEAN,
    ),
    "FishTranscript": object_of(
        text=STRING,
        duration={"type": "number", "description": "milliseconds"},
        segments=list_of(object_of(text=STRING, start=NUMBER, end=NUMBER)),
    ),
    "FishVoice": object_of(
        _id=STRING,
        type={"const": "tts"},
        title=STRING,
        description=STRING,
        cover_image=STRING,
        train_mode={"const": "fast"},
        state={"const": "trained"},
        tags=list_of(STRING),
        samples=list_of(object_of(title=STRING, text=STRING, task_id=STRING, audio=STRING)),
        created_at=STRING,
        updated_at=STRING,
        languages=list_of(STRING),
        visibility={"enum": ["public", "private"]},
        lock_visibility=BOOLEAN,
        **{f"{name}_count": {"const": 0} for name in ("like", "mark", "shared", "task")},
        liked={"const": False},
        marked={"const": False},
        author=object_of(_id=STRING, nickname=STRING, avatar=STRING),
    ),
    "FishVoices": object_of(total=INTEGER, items=list_of(ref("FishVoice"))),
}


def paths() -> Document:
    """Every path with its operations."""
    speech = {"description": "The audio.", "headers": SPEECH_HEADERS, "content": _audio()}
    timed = {
        "description": "Server-sent events with parts of the audio; the last one has the times.",
        "headers": HEADERS,
        "content": {"text/event-stream": {"schema": ref("FishTimedSpeech")}},
    }
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
        "/v1/tts/stream/with-timestamp": {
            "post": _operation(
                "fishSpeakWithTimes",
                "Turn text into speech with times of words.",
                timed,
                CloudTtsBody,
                JSON,
                MSGPACK,
            )
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
        "/wallet/self/api-credit": {"get": _no_account("fishCredit")},
        "/wallet/self/package": {"get": _no_account("fishPackage")},
        "/v1/health": {
            method: {
                "operationId": f"fishHealth{method.title()}",
                "summary": "Whether the server answers.",
                "responses": healthy,
            }
            for method in ("get", "post")
        },
    }


def _no_account(operation: str) -> Document:
    missing = json_answer("There are no accounts here.", "FishCloudError")
    return {
        "operationId": operation,
        "summary": "What is left to pay with: nothing is paid here.",
        "responses": {"404": missing, **_errors("401")},
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
    *content_types: str,
    status: str = "200",
) -> Document:
    document: Document = {
        "operationId": operation,
        "summary": summary,
        "responses": {status: answer, **_errors("422", *ERRORS)},
    }
    if body is not None:
        document["requestBody"] = request_body(fields_of(body), *content_types)
    return document


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
