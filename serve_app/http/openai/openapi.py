"""The OpenAPI document's part on OpenAI's API."""

from media.encode import CONTENT_TYPES
from serve_app.http.openapi_parts import (
    BINARY,
    ERRORS,
    FORM,
    HEADERS,
    JSON,
    SPEECH_HEADERS,
    STRING,
    Document,
    errors_of,
    json_answer,
    json_operation,
    property_of,
    ref,
    request_body,
    texts_operation,
)
from serve_app.tasks.classification.fields import MODERATION
from serve_app.tasks.speech.fields import SPEECH
from serve_app.tasks.speech.voice_fields import NEW_VOICE, VOICE_CHANGE
from serve_app.tasks.transcription.fields import AUDIO, FIELDS

CONFLICT = {"409": json_answer("There is such a voice already, or it is shipped and stays as it is.", "Error")}
MODEL = {
    "name": "model",
    "in": "query",
    "description": "Id or alias of the model whose library it is; the default model if absent.",
    "schema": STRING,
}
MODEL_ID = {"name": "id", "in": "path", "required": True, "schema": STRING}
VOICE_ID = {"name": "id", "in": "path", "required": True, "schema": STRING}
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
        "schema": STRING,
    },
]


def audio_paths() -> Document:
    """Transcription, speech and voices."""
    return {
        "/v1/audio/transcriptions": {
            "post": _transcription("transcribe", "Transcribe audio in its own language.")
        },
        "/v1/audio/translations": {
            "post": _transcription("translate", "Translate spoken audio into English text.")
        },
        "/v1/audio/speech": {"post": _speech()},
        "/v1/audio/voices": {
            "get": _operation("listVoices", "All voices of the library.", "VoiceList", "400", "404")
            | {"parameters": [*PAGE, MODEL]},
            "post": _create(),
        },
        "/v1/audio/voices/{id}": {
            "get": _one("retrieveVoice", "One voice.", "Voice"),
            "post": _one("changeVoice", "Rename or describe a voice.", "Voice", "400", "413", "415")
            | {"requestBody": request_body(VOICE_CHANGE, JSON)},
            "delete": _one("deleteVoice", "Delete a voice.", "VoiceDeleted"),
        },
    }


def moderation_paths() -> Document:
    """Moderation."""
    answer = ref("ModerationList")
    return {
        "/v1/moderations": {"post": texts_operation("moderate", "Judge texts by categories.", MODERATION, answer)}
    }


def model_paths() -> Document:
    """The models."""
    one = json_operation("retrieveModel", "One model, by id or alias.", "Model", "401", "404")
    return {
        "/v1/models": {"get": json_operation("listModels", "All served models.", "ModelList", "401")},
        "/v1/audio/models": {
            "get": json_operation("listSpeechModels", "The models that speak.", "SpeechModelList", "401")
        },
        "/v1/models/{id}": {"get": one | {"parameters": [MODEL_ID]}},
    }


def _transcription(operation: str, summary: str) -> Document:
    form = {
        "type": "object",
        "properties": {field.name: property_of(field) for field in (AUDIO, *FIELDS)},
        "oneOf": [{"required": ["file"]}, {"required": ["url"]}],
    }
    return {
        "operationId": operation,
        "summary": summary,
        "description": "Either `file` or `url` is required. Lists may be repeated, comma-separated or JSON.",
        "requestBody": {"required": True, "content": {FORM: {"schema": form}}},
        "responses": {
            "200": {
                "description": "The transcript in the wanted format, or its stream of events.",
                "headers": HEADERS,
                "content": {
                    JSON: {"schema": {"anyOf": [ref("Transcript"), ref("VerboseTranscript")]}},
                    "text/plain": {"schema": STRING},
                    "application/x-subrip": {"schema": STRING},
                    "text/vtt": {"schema": STRING},
                    "text/event-stream": {"schema": ref("StreamEvent")},
                },
            },
            **errors_of(ERRORS),
        },
    }


def _speech() -> Document:
    sound = {"schema": BINARY}
    return {
        "operationId": "speak",
        "summary": "Turn text into speech.",
        "description": "`input` is required.",
        "requestBody": request_body(SPEECH, JSON),
        "responses": {
            "200": {
                "description": "The audio in the wanted format, or its stream of events.",
                "headers": SPEECH_HEADERS,
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
        "requestBody": request_body(NEW_VOICE, FORM),
    }


def _one(operation: str, summary: str, schema: str, *errors: str) -> Document:
    document = _operation(operation, summary, schema, "404", *errors) | {"parameters": [VOICE_ID, MODEL]}
    if schema == "VoiceDeleted" or errors:
        document["responses"] = {**document["responses"], **CONFLICT}
    return document


def _operation(operation: str, summary: str, schema: str, *errors: str) -> Document:
    return json_operation(operation, summary, schema, *sorted({"401", "500", "503", "504", *errors}))
