"""JSON schemas of what the HTTP entrance answers."""

from typing import Any

from serve_app.config.app import MODERATION_CATEGORIES

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
INTEGER: Schema = {"type": "integer"}
BOOLEAN: Schema = {"type": "boolean"}
PROBABILITY: Schema = {"type": "number", "minimum": 0, "maximum": 1}
SECONDS: Schema = {"type": "number", "minimum": 0, "description": "seconds"}


def _object(**properties: Schema) -> Schema:
    """An object all of whose properties are present, except those named with a trailing underscore."""
    required = [name for name in properties if not name.endswith("_")]
    return {
        "type": "object",
        "properties": {name.removesuffix("_"): schema for name, schema in properties.items()},
        **({"required": required} if required else {}),
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _by_label(schema: Schema) -> Schema:
    return {"type": "object", "additionalProperties": schema}


def _by_category(schema: Schema) -> Schema:
    """An object with every category of the hosted API; the configuration may add others."""
    return {**_object(**dict.fromkeys(MODERATION_CATEGORIES, schema)), "additionalProperties": schema}


CLASSIFIED_SEGMENTS = _list({**_object(start=SECONDS, end=SECONDS), "additionalProperties": PROBABILITY})

SCHEMAS: dict[str, Schema] = {
    "Error": _object(
        error=_object(message=STRING, type=STRING, param=_or_null(STRING), code=_or_null(STRING)),
    ),
    "Usage": _object(type={"const": "duration"}, seconds=INTEGER),
    "Language": _object(code=STRING),
    "TokenLogprob": _object(token=STRING, logprob=NUMBER, bytes=_list(INTEGER)),
    "Segment": _object(
        id=INTEGER,
        seek=INTEGER,
        start=SECONDS,
        end=SECONDS,
        text=STRING,
        tokens=_list(INTEGER),
        temperature=NUMBER,
        avg_logprob=NUMBER,
        compression_ratio=NUMBER,
        no_speech_prob=NUMBER,
        classification_=_by_label(PROBABILITY),
    ),
    "Word": _object(word=STRING, start=SECONDS, end=SECONDS),
    "Transcript": _object(
        text=STRING,
        languages=_list(_ref("Language")),
        usage=_ref("Usage"),
        logprobs_=_list(_ref("TokenLogprob")),
        classification_=CLASSIFIED_SEGMENTS,
    ),
    "VerboseTranscript": _object(
        task={"enum": ["transcribe", "translate"]},
        language=STRING,
        duration=SECONDS,
        text=STRING,
        languages=_list(_ref("Language")),
        usage=_ref("Usage"),
        segments_=_list(_ref("Segment")),
        words_=_list(_ref("Word")),
    ),
    "StreamEvent": {
        "description": "Every line `data: {...}` of the stream; `data: [DONE]` ends it.",
        "anyOf": [
            _object(
                type={"const": "transcript.text.delta"},
                delta=STRING,
                logprobs_=_list(_ref("TokenLogprob")),
                classification_=_by_label(PROBABILITY),
                segment_=_ref("Segment"),
            ),
            _object(
                type={"const": "transcript.text.done"},
                text=STRING,
                languages=_list(_ref("Language")),
                usage=_ref("Usage"),
                logprobs_=_list(_ref("TokenLogprob")),
                classification_=CLASSIFIED_SEGMENTS,
            ),
            _ref("Error"),
        ],
    },
    "SpeechEvent": {
        "description": "Every line `data: {...}` of the stream; `data: [DONE]` ends it.",
        "anyOf": [
            _object(type={"const": "speech.audio.delta"}, audio={**STRING, "contentEncoding": "base64"}),
            _object(
                type={"const": "speech.audio.done"},
                usage=_object(input_tokens=INTEGER, output_tokens=INTEGER, total_tokens=INTEGER),
                seed=INTEGER,
                seconds=SECONDS,
                classification_=_by_label(PROBABILITY),
            ),
            _ref("Error"),
        ],
    },
    "Voice": _object(
        id=STRING,
        object={"const": "audio.voice"},
        created_at=INTEGER,
        updated_at=INTEGER,
        name=STRING,
        type={"const": "audio_sample"},
        description=STRING,
        tags=_list(STRING),
        languages=_list(STRING),
        texts=_list(STRING),
        shipped=BOOLEAN,
    ),
    "VoiceList": _object(
        object={"const": "list"},
        data=_list(_ref("Voice")),
        first_id=_or_null(STRING),
        last_id=_or_null(STRING),
        has_more=BOOLEAN,
        voices=_list(_object(id=STRING, name=STRING)),
    ),
    "VoiceDeleted": _object(id=STRING, object={"const": "audio.voice.deleted"}, deleted={"const": True}),
    "TextScores": {
        **_object(text=STRING, label=STRING, truncated=BOOLEAN),
        "additionalProperties": PROBABILITY,
        "description": "A score for every label of the model, beside the text as it was sent, its most probable "
        "label, and whether the text was too long for the model and has been cut.",
    },
    "Moderation": _object(
        flagged=BOOLEAN,
        categories=_by_category(BOOLEAN),
        category_scores=_by_category(PROBABILITY),
        category_applied_input_types=_by_category(_list({"const": "text"})),
        labels=_by_label(PROBABILITY),
        truncated=BOOLEAN,
    ),
    "ModerationList": _object(id=STRING, model=STRING, results=_list(_ref("Moderation"))),
    "State": _object(
        phase={"enum": ["starting", "downloading", "loading", "warming_up", "ready", "idle", "failed"]},
        progress=_or_null(PROBABILITY),
        detail_=STRING,
        queued_audio_s_=SECONDS,
        queued_tokens_={"type": "number", "minimum": 0},
        queued_chars_={"type": "number", "minimum": 0},
        active_requests_=INTEGER,
    ),
    "Model": _object(
        id=STRING,
        object={"const": "model"},
        created=INTEGER,
        owned_by=STRING,
        root=STRING,
        task={"enum": ["transcription", "classification", "speech"]},
        languages=_list(STRING),
        labels=_list(STRING),
        aliases=_list(STRING),
        default=BOOLEAN,
        description=STRING,
        license=_or_null(STRING),
        source=_or_null(STRING),
        on_demand=_list(STRING),
        state=_ref("State"),
    ),
    "ModelList": _object(object={"const": "list"}, data=_list(_ref("Model"))),
    "Health": _object(status=STRING),
    "Readiness": _object(
        status={"enum": ["ready", "starting", "failed"]},
        models={"type": "object", "additionalProperties": _ref("State")},
    ),
}
