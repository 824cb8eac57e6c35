"""Every field of a voice. The parsers and the documentation are made from these tables."""

from serve_app.fields.json_field import MODEL, JsonField
from serve_app.fields.schema_words import Schema

VOICES_PATH = "/v1/audio/voices"
MOST = 64  # recordings, tags, languages
_TEXT: Schema = {"type": "string"}
_LABELS: Schema = {"type": "array", "items": {"type": "string"}, "maxItems": MOST}

NAME = JsonField(
    "name",
    {"type": "string", "maxLength": 255},
    "What the voice is called. It is its id as well, unless `id` is sent: letters, digits, `_`, `-` and blanks.",
    standard=True,
    required=True,
)
AUDIO_SAMPLE = JsonField(
    "audio_sample",
    {"anyOf": [{"type": "string", "format": "binary"}, {"type": "array", "items": _TEXT, "maxItems": MOST}]},
    "A recording of the voice, or several. In JSON they are files in base64.",
    aliases=("file", "files"),
    standard=True,
    required=True,
)
TEXT = JsonField(
    "text",
    {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "maxItems": MOST}]},
    "What is said in every recording. If absent, the default transcription model writes it down.",
    aliases=("transcript", "texts"),
)
CONSENT = JsonField("consent", _TEXT, "Taken, but of no effect: consents are not kept here.", standard=True)
TYPE = JsonField(
    "type",
    {"type": "string", "enum": ["audio_sample", "prompt"], "default": "audio_sample"},
    "A `prompt` is refused: voices are made from recordings.",
    standard=True,
)
PROMPT = JsonField("prompt", _TEXT, "Refused: voices are made from recordings.", standard=True)
SCRIPT_HINT = JsonField("script_hint", _TEXT, "Refused: voices are made from recordings.", standard=True)
ID = JsonField("id", {"type": "string", "maxLength": 255}, "The id by which to ask for the voice.")
DESCRIPTION = JsonField("description", {"type": "string", "maxLength": 4096}, "Any words about the voice.")
TAGS = JsonField("tags", _LABELS, "Labels to find it by.")
LANGUAGES = JsonField("languages", _LABELS, "What it speaks.")

NEW_VOICE = (
    NAME,
    AUDIO_SAMPLE,
    TEXT,
    CONSENT,
    TYPE,
    PROMPT,
    SCRIPT_HINT,
    ID,
    DESCRIPTION,
    TAGS,
    LANGUAGES,
    MODEL,
)
VOICE_CHANGE = (
    JsonField("name", NAME.schema, "A new name; the id stays.", standard=True),
    JsonField("id", ID.schema, "A new id."),
    DESCRIPTION,
    TAGS,
    LANGUAGES,
    MODEL,
)
