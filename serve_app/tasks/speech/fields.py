"""Every field that the speech route knows. The parser and the documentation are made from this table."""

from typing import get_args

from deployments.fish_speech.types import SamplingOptions, SpeechRequest
from media.codec_writer import CODECS
from media.encode import AudioFormat
from serve_app.fields.form_field import schemas_of
from serve_app.fields.json_field import MODEL, JsonField
from serve_app.fields.schema_words import Schema

SPEECH_PATH = "/v1/audio/speech"
_REQUEST = schemas_of(SpeechRequest)
_SAMPLING = schemas_of(SamplingOptions)
_TEXT: Schema = {"type": "string"}
_RATES = [codec.bit_rates for codec in CODECS.values() if codec.bit_rates]

INPUT = JsonField("input", _TEXT, "The text to speak.", standard=True, required=True)
VOICE = JsonField(
    "voice",
    {"anyOf": [{"type": "string", "maxLength": 512}, {"type": "object", "properties": {"id": _TEXT}}]},
    "A voice of the library. Absent, or a stock voice of the hosted API such as `alloy` (in any case) that is not "
    "in the library: the model's default voice.",
    standard=True,
)
RESPONSE_FORMAT = JsonField(
    "response_format",
    {
        "type": "string",
        "enum": ["mp3", *(kind for kind in get_args(AudioFormat) if kind != "mp3")],
        "default": "mp3",
    },
    "The audio's format. `pcm` is signed 16-bit little-endian mono, opus comes in Ogg, aac as ADTS.",
    standard=True,
)
SPEED = JsonField("speed", _REQUEST["speed"], "Factor of the tempo; the pitch stays.", standard=True)
STREAM_FORMAT = JsonField(
    "stream_format",
    {"type": "string", "enum": ["audio", "sse"], "default": "audio"},
    "The audio itself, or server-sent events with its parts.",
    standard=True,
)
INSTRUCTIONS = JsonField(
    "instructions",
    _TEXT,
    "Refused, or ignored where the model is configured so: a voice is chosen by `voice` or `references`.",
    standard=True,
)
STREAM = JsonField(
    "stream",
    {"type": "boolean", "default": True},
    "Whether audio is sent while it is made. If false, the file comes whole, and its header tells its length.",
)
SAMPLE_RATE = JsonField(
    "sample_rate",
    _REQUEST["sample_rate"],
    "In Hz. The model's own if absent, 24000 for `pcm`; mp3, opus and aac have the next rate that they know.",
)
BIT_RATE = JsonField(
    "bit_rate",
    {"type": "integer", "minimum": min(low for _, low, _ in _RATES), "maximum": max(most for *_, most in _RATES)},
    "Bits per second of mp3 (8000 to 320000), opus (6000 to 256000) and aac (8000 to 256000).",
)
TEXT_FORMAT = JsonField(
    "text_format",
    _REQUEST["text_format"],
    "How the text is written. The signs of `markdown` are not spoken. Of `ssml` the tags `speak`, `p`, `s` and "
    "`break` are honoured; others are refused.",
)
NORMALIZE = JsonField(
    "normalize",
    {"anyOf": [{"type": "boolean"}, {"type": "string", "const": "en"}]},
    "`en`, or true: numbers are spelled out in English. Else they are left to the model.",
)
VOLUME = JsonField("volume_db", _REQUEST["volume_db"], "Decibels by which to change the volume.")
SPEAKER = JsonField(
    "speaker", {"type": "string", "maxLength": 128}, "A name that a model of version 1.1 was trained with."
)
REFERENCES = JsonField(
    "references",
    {
        "type": "array",
        "items": {"type": "object", "properties": {"audio": _TEXT, "text": _TEXT}},
        "maxItems": 64,
    },
    "Recordings of the voice that is to speak: `audio` is a file in base64, `text` what is said in it.",
)

SAMPLING = (
    JsonField("temperature", _SAMPLING["temperature"], "Of sampling; 0 takes the most probable code."),
    JsonField("top_p", _SAMPLING["top_p"], "Probability of the codes that are drawn from, most probable first."),
    JsonField("repetition_penalty", _SAMPLING["repetition_penalty"], "Above 1 punishes codes of the last frames."),
    JsonField(
        "max_new_tokens",
        _SAMPLING["max_new_tokens"],
        "Most frames of one segment of the text; 0: as many as the context has room for.",
    ),
    JsonField(
        "chunk_length",
        _SAMPLING["chunk_length"],
        "Longest segment in bytes of UTF-8; 0 speaks the text in one.",
    ),
    JsonField("seed", _SAMPLING["seed"], "The same seed gives the same speech; drawn if absent."),
)

SPEECH = (
    INPUT,
    MODEL,
    VOICE,
    RESPONSE_FORMAT,
    SPEED,
    STREAM_FORMAT,
    INSTRUCTIONS,
    TEXT_FORMAT,
    NORMALIZE,
    STREAM,
    REFERENCES,
    SPEAKER,
    *SAMPLING,
    SAMPLE_RATE,
    BIT_RATE,
    VOLUME,
)
