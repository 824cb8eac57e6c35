"""Every field that the transcription routes know. The parser and the documentation are made from this table."""

from typing import Any, get_args

from deployments.whisper.types import DecodingOptions, Task
from media.files.kinds import CONTAINERS, names
from serve_app.fields.form_field import FormField, Reader, schemas_of
from serve_app.fields.form_values import NONE
from serve_app.fields.schema_words import Schema
from serve_app.tasks.transcription import readers as read
from serve_app.tasks.transcription.formats import TranscriptFormat
from serve_app.tasks.transcription.options import OPTIONS
from serve_app.tasks.transcription.sound import SOUND

TRANSCRIPTION_PATHS: dict[Task, str] = {
    "transcribe": "/v1/audio/transcriptions",
    "translate": "/v1/audio/translations",
}
TEXT: Schema = {"type": "string"}
_DECODING = schemas_of(DecodingOptions)


def _choice(*words: str, **more: Any) -> Schema:
    return {"type": "string", "enum": list(words), **more}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _standard(
    name: str,
    schema: Schema,
    description: str,
    target: str = "",
    reader: Reader | None = None,
    **more: Any,
) -> FormField:
    return FormField(name, schema, description, target, standard=True, read=reader, **more)


AUDIO = _standard(
    "file",
    {"type": "string", "format": "binary"},
    f"The audio, as a file of one of these kinds: {names(CONTAINERS)}. Its content decides, not its name. Samples "
    "without a header need a content type such as `audio/pcm;rate=16000`.",
)

STANDARD = (
    _standard(
        "model",
        {"type": "string", "maxLength": 256},
        "Id or alias of a served model; the default model if absent.",
        "request.model",
    ),
    _standard(
        "language",
        TEXT,
        "The spoken language, as a tag (`en`, `en-US`, `eng`) or an English name. Detected if absent or `auto`.",
        "request.language",
        read.read_language,
    ),
    _standard(
        "languages[]",
        _list(TEXT),
        "Languages among which to detect the spoken one.",
        "request.languages",
        read.read_languages,
    ),
    _standard(
        "prompt",
        _DECODING["initial_prompt"],
        "Text that the model believes to have been said before: sets style and spelling.",
        "decoding.initial_prompt",
        aliases=("initial_prompt",),
        blank=True,
    ),
    _standard(
        "response_format",
        _choice(*get_args(TranscriptFormat), default="json"),
        "The format of the answer.",
        "output.response_format",
        read.read_response_format,
    ),
    _standard(
        "temperature",
        _DECODING["temperatures"],
        "Sampling temperature. A single 0 starts at 0 and climbs when a window fails its thresholds; another "
        "single value is used alone. A list (repeated, comma-separated, or sent as `temperature[]`) is the "
        "ladder itself.",
        "decoding.temperatures",
        read.read_temperature,
    ),
    _standard(
        "stream",
        {"type": "boolean", "default": False},
        "Answer with server-sent events while the audio is being decoded.",
        "output.stream",
    ),
    _standard(
        "timestamp_granularities[]",
        _list(_choice("word", "segment")),
        "What `verbose_json` lists: segments (default), words, or both.",
        "output.granularities",
        read.read_granularities,
    ),
    _standard(
        "include[]",
        _list(_choice("logprobs")),
        "`logprobs` adds every token's log-probability to `json`.",
        "decoding.token_logprobs",
        read.read_include,
    ),
    _standard(
        "chunking_strategy",
        {
            "anyOf": [
                _choice("auto"),
                {
                    "type": "object",
                    "properties": {
                        "type": _choice("server_vad"),
                        **{name: read.VAD[option] for name, option in read.CHUNKING.items()},
                    },
                },
            ]
        },
        "How speech is found: `auto`, or an object of the type `server_vad`, as JSON or in parts such as "
        "`chunking_strategy[threshold]`.",
        reader=read.read_chunking_strategy,
    ),
    _standard("keywords[]", _list(TEXT), "Words and phrases to expect.", "decoding.hotwords", read.read_keywords),
)

_SPEAKERS = "speakers are not told apart here."
_PARTIES = "speakers are not told apart here, but channels are, by `channels=split`."
REFUSED = (
    _standard(
        "known_speaker_names[]",
        _list(TEXT),
        f"Refused: {_SPEAKERS}",
        reader=read.refused(_SPEAKERS, frozenset()),
    ),
    _standard(
        "known_speaker_references[]",
        _list(TEXT),
        f"Refused: {_SPEAKERS}",
        reader=read.refused(_SPEAKERS, frozenset()),
    ),
    FormField("diarize", {"type": "boolean"}, f"Refused unless false: {_PARTIES}", read=read.refused(_PARTIES)),
    FormField(
        "hallucination_silence_threshold",
        {"type": "number"},
        "Refused: voice activity detection skips silence instead.",
        read=read.refused("voice activity detection skips silence instead.", NONE),
    ),
    FormField(
        "chunk_length",
        {"type": "integer"},
        "Refused: the model fixes the length of a window.",
        read=read.refused(
            "the model fixes the length of a window; `vad_max_speech_duration_s` shortens stretches of speech.",
            NONE,
        ),
    ),
    FormField(
        "log_progress",
        {"type": "boolean"},
        "Refused unless false: `stream` shows the progress.",
        read=read.refused("nothing is logged for clients; `stream` shows the progress."),
    ),
)

FIELDS: tuple[FormField, ...] = (*STANDARD, *OPTIONS, *SOUND, *REFUSED)
BY_NAME = {name: field for field in FIELDS for name in field.names}
