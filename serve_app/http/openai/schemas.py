"""JSON schemas of what OpenAI's routes answer."""

from deployments.whisper.types import Task
from serve_app.config.models import MODERATION_CATEGORIES
from serve_app.config.tasks import ModelTask
from serve_app.http.openapi_parts import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    PROBABILITY,
    SECONDS,
    STRING,
    Document,
    enum_of,
    list_of,
    map_of,
    nullable,
    object_of,
    ref,
)


def _by_category(schema: Document) -> Document:
    """An object with every category of the hosted API; the configuration may add others."""
    return {**object_of(**dict.fromkeys(MODERATION_CATEGORIES, schema)), "additionalProperties": schema}


CHANNEL: Document = {**INTEGER, "minimum": 0}
CLASSIFIED_SEGMENTS = list_of(
    {**object_of(start=SECONDS, end=SECONDS, channel_=CHANNEL), "additionalProperties": PROBABILITY}
)

AUDIO_SCHEMAS: dict[str, Document] = {
    "Error": object_of(
        error=object_of(message=STRING, type=STRING, param=nullable(STRING), code=nullable(STRING)),
    ),
    "Usage": object_of(type={"const": "duration"}, seconds=INTEGER),
    "Language": object_of(code=STRING),
    "TokenLogprob": object_of(token=STRING, logprob=NUMBER, bytes=list_of(INTEGER)),
    "Segment": object_of(
        id=INTEGER,
        seek=INTEGER,
        start=SECONDS,
        end=SECONDS,
        text=STRING,
        tokens=list_of(INTEGER),
        temperature=NUMBER,
        avg_logprob=NUMBER,
        compression_ratio=NUMBER,
        no_speech_prob=NUMBER,
        channel_=CHANNEL,
        classification_=map_of(PROBABILITY),
    ),
    "Word": object_of(word=STRING, start=SECONDS, end=SECONDS, channel_=CHANNEL),
    "ChannelText": object_of(channel=CHANNEL, text=STRING),
    "AudioTrack": object_of(
        index=INTEGER,
        language=nullable(STRING),
        title=nullable(STRING),
        codec=STRING,
        sample_rate=INTEGER,
        channels=INTEGER,
        heard={"anyOf": [{"const": "mix"}, list_of(CHANNEL)]},
    ),
    "Transcript": object_of(
        text=STRING,
        languages=list_of(ref("Language")),
        usage=ref("Usage"),
        channels_=list_of(ref("ChannelText")),
        logprobs_=list_of(ref("TokenLogprob")),
        classification_=CLASSIFIED_SEGMENTS,
    ),
    "VerboseTranscript": object_of(
        task=enum_of(Task),
        language=STRING,
        duration=SECONDS,
        text=STRING,
        languages=list_of(ref("Language")),
        usage=ref("Usage"),
        audio_track_=ref("AudioTrack"),
        channels_=list_of(ref("ChannelText")),
        segments_=list_of(ref("Segment")),
        words_=list_of(ref("Word")),
    ),
    "StreamEvent": {
        "description": "Every line `data: {...}` of the stream; `data: [DONE]` ends it.",
        "anyOf": [
            object_of(
                type={"const": "transcript.text.delta"},
                delta=STRING,
                channel_=CHANNEL,
                logprobs_=list_of(ref("TokenLogprob")),
                classification_=map_of(PROBABILITY),
                segment_=ref("Segment"),
            ),
            object_of(
                type={"const": "transcript.text.done"},
                text=STRING,
                languages=list_of(ref("Language")),
                usage=ref("Usage"),
                audio_track_=ref("AudioTrack"),
                channels_=list_of(ref("ChannelText")),
                logprobs_=list_of(ref("TokenLogprob")),
                classification_=CLASSIFIED_SEGMENTS,
            ),
            ref("Error"),
        ],
    },
    "SpeechEvent": {
        "description": "Every line `data: {...}` of the stream; `data: [DONE]` ends it.",
        "anyOf": [
            object_of(type={"const": "speech.audio.delta"}, audio={**STRING, "contentEncoding": "base64"}),
            object_of(
                type={"const": "speech.audio.done"},
                usage=object_of(input_tokens=INTEGER, output_tokens=INTEGER, total_tokens=INTEGER),
                seed=INTEGER,
                seconds=SECONDS,
                cut=BOOLEAN,
                classification_=map_of(PROBABILITY),
                judged_pieces_=INTEGER,
            ),
            ref("Error"),
        ],
    },
    "Voice": object_of(
        id=STRING,
        object={"const": "audio.voice"},
        created_at=INTEGER,
        updated_at=INTEGER,
        name=STRING,
        type={"const": "audio_sample"},
        description=STRING,
        tags=list_of(STRING),
        languages=list_of(STRING),
        texts=list_of(STRING),
        shipped=BOOLEAN,
    ),
    "VoiceList": object_of(
        object={"const": "list"},
        data=list_of(ref("Voice")),
        first_id=nullable(STRING),
        last_id=nullable(STRING),
        has_more=BOOLEAN,
        voices=list_of(object_of(id=STRING, name=STRING)),
    ),
    "VoiceDeleted": object_of(id=STRING, object={"const": "audio.voice.deleted"}, deleted={"const": True}),
}

MODERATION_SCHEMAS: dict[str, Document] = {
    "Moderation": object_of(
        flagged=BOOLEAN,
        categories=_by_category(BOOLEAN),
        category_scores=_by_category(PROBABILITY),
        category_applied_input_types=_by_category(list_of({"const": "text"})),
        labels=map_of(PROBABILITY),
        truncated=BOOLEAN,
        pieces=INTEGER,
    ),
    "ModerationList": object_of(id=STRING, model=STRING, results=list_of(ref("Moderation"))),
}

MODEL_SCHEMAS: dict[str, Document] = {
    "Model": object_of(
        id=STRING,
        object={"const": "model"},
        created=INTEGER,
        owned_by=STRING,
        root=STRING,
        task=enum_of(ModelTask),
        languages=list_of(STRING),
        labels=list_of(STRING),
        aliases=list_of(STRING),
        default=BOOLEAN,
        description=STRING,
        license=nullable(STRING),
        source=nullable(STRING),
        on_demand=list_of(STRING),
        state=ref("State"),
    ),
    "ModelList": object_of(object={"const": "list"}, data=list_of(ref("Model"))),
    "SpeechModelList": object_of(
        object={"const": "list"},
        data=list_of(ref("Model")),
        models=list_of(object_of(id=STRING, name=STRING)),
    ),
}
