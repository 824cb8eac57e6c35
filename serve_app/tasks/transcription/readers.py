"""Readers of those form fields whose text needs more than a schema."""

from collections.abc import Mapping
from typing import Any

from deployments.errors import InvalidRequest
from deployments.whisper.types import LONGEST_AUDIO_S, Clip, DecodingOptions, TranscriptionRequest, VadOptions
from serve_app.fields.form_field import FormField, Reader, schemas_of
from serve_app.fields.form_values import (
    ABSENT,
    FALSE,
    NONE,
    Sent,
    as_form_text,
    quoted,
    read_json,
    read_value,
    split_list,
    wrong_value,
)
from serve_app.fields.schema_words import plain_schema
from serve_app.tasks.transcription.languages import LANGUAGE_HELP, asks_to_detect, language_code

Values = Mapping[str, Any]

VAD = schemas_of(VadOptions)
MAX_CLIPS: int = schemas_of(TranscriptionRequest)["clips"]["maxItems"]
CHUNKING = {
    "threshold": "threshold",
    "prefix_padding_ms": "speech_pad_ms",
    "silence_duration_ms": "min_silence_duration_ms",
}


def refused(reason: str, harmless: frozenset[str] = FALSE | NONE) -> Reader:
    """A field that is known and cannot be honoured; values that ask for nothing pass."""

    def read(field: FormField, sent: Sent) -> Values:
        if sent.parts or any(value.strip() and value.strip().lower() not in harmless for value in sent.values):
            raise InvalidRequest(f"`{sent.name}` cannot be honoured: {reason}", param=sent.name)
        return {}

    return read


def read_language(field: FormField, sent: Sent) -> Values:
    """A language; empty, ``auto`` and the like detect it."""
    text = read_value(sent, field.schema)
    if text is ABSENT or asks_to_detect(text):
        return {}
    return {field.target: _language(sent, text)}


def read_languages(field: FormField, sent: Sent) -> Values:
    """Languages among which to detect."""
    codes = dict.fromkeys(_language(sent, text) for text in split_list(sent) if not asks_to_detect(text))
    return {field.target: tuple(codes)} if codes else {}


def read_response_format(field: FormField, sent: Sent) -> Values:
    """A response format."""
    if sent.values == ["diarized_json"]:
        raise InvalidRequest(
            "`response_format` cannot be diarized_json: speakers are not told apart here. "
            "Use verbose_json for segments with times; `channels=split` tells channels apart.",
            param=sent.name,
        )
    value = read_value(sent, field.schema)
    return {} if value is ABSENT else {field.target: value}


def read_temperature(field: FormField, sent: Sent) -> Values:
    """One temperature, where 0 means the model's own list, as in the hosted API; or a list of them."""
    temperatures: tuple[float, ...] | Any = read_value(sent, field.schema)
    if temperatures is ABSENT:
        return {}
    is_list = sent.listed or len(sent.values) > 1 or any(c in sent.values[0] for c in ",[")
    return {} if not is_list and temperatures == (0.0,) else {field.target: temperatures}


def read_granularities(field: FormField, sent: Sent) -> Values:
    """Granularities of ``verbose_json``; ``word`` needs the words' times."""
    wanted = read_value(sent, field.schema)
    if wanted is ABSENT:
        return {}
    return {field.target: frozenset(wanted)} | ({"decoding.word_timestamps": True} if "word" in wanted else {})


def read_include(field: FormField, sent: Sent) -> Values:
    """What else the response includes."""
    return {} if read_value(sent, field.schema) is ABSENT else {field.target: True}


def read_keywords(field: FormField, sent: Sent) -> Values:
    """Keywords, which the decoder is shown as one text. A keyword may contain commas."""
    hotwords = ", ".join(split_list(sent, commas=False))
    if not hotwords:
        return {}
    schema = schemas_of(DecodingOptions)["hotwords"]
    if len(hotwords) > plain_schema(schema)["maxLength"]:
        raise wrong_value(sent.name, hotwords, schema)
    return {field.target: hotwords}


def read_chunking_strategy(field: FormField, sent: Sent) -> Values:
    """``auto``, or the parts of a ``server_vad``; either turns voice activity detection on."""
    parts = dict(sent.parts)
    if sent.values:
        text = _single(sent).strip()
        if not text or text.lower() in NONE:
            return {}
        if text.strip('"') == "auto":
            return {"vad_filter": True}
        parts = _json_parts(sent, text)
    kind = parts.pop("type", "server_vad")
    if kind != "server_vad":
        raise InvalidRequest(
            f"`{sent.name}` has to be auto, or an object of the type server_vad, not {quoted(kind)}.",
            param=sent.name,
        )
    return {"vad_filter": True} | _vad_values(sent, parts, CHUNKING)


def read_vad_parameters(field: FormField, sent: Sent) -> Values:
    """Options of voice activity detection as one object."""
    parts = dict(sent.parts)
    if sent.values:
        text = _single(sent).strip()
        if not text or text.lower() in NONE:
            return {}
        parts = _json_parts(sent, text)
    return _vad_values(sent, parts, {name: name for name in VAD})


def read_clips(field: FormField, sent: Sent) -> Values:
    """Spans as alternating starts and ends, or as objects. A lone 0 is the whole file."""
    entries = split_list(sent)
    if entries and entries[0].startswith("{"):
        spans = [_span(sent, entry) for entry in entries]
    else:
        times = [_time(sent, entry) for entry in entries]
        ends: list[float | None] = [*times[1::2]]
        spans = list(zip(times[::2], [*ends, None] if len(times) % 2 else ends, strict=True))
    for start, end in spans:
        if end is not None and end <= start:
            raise InvalidRequest(
                f"`{sent.name}` has a span that ends at {end} s, before it starts.", param=sent.name
            )
    if len(spans) > MAX_CLIPS:
        raise InvalidRequest(f"`{sent.name}` takes at most {MAX_CLIPS} spans.", param=sent.name)
    if not spans or spans == [(0.0, None)]:
        return {}
    return {field.target: tuple(Clip(start=start, end=end) for start, end in spans)}


def _language(sent: Sent, text: str) -> str:
    code = language_code(text)
    if code is None:
        raise InvalidRequest(f"`{sent.name}` has to be {LANGUAGE_HELP}, not {quoted(text)}.", param=sent.name)
    return code


def _single(sent: Sent) -> str:
    if len(sent.values) != 1 or sent.parts:
        raise InvalidRequest(f"`{sent.name}` was sent more than once; send it once.", param=sent.name)
    return sent.values[0]


def _json_parts(sent: Sent, text: str) -> dict[str, str]:
    parts = read_json(sent, text)
    if not isinstance(parts, dict):
        raise InvalidRequest(f"`{sent.name}` has to be a JSON object, not {quoted(text)}.", param=sent.name)
    return {name: as_form_text(value) for name, value in parts.items() if value is not None}


def _vad_values(sent: Sent, parts: Mapping[str, str], names: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for part, text in parts.items():
        if part not in names:
            raise InvalidRequest(
                f"`{sent.name}` has no part {quoted(part)}; its parts are {', '.join(names)}.",
                param=sent.name,
            )
        value = read_value(Sent(f"{sent.name}[{part}]", [text]), VAD[names[part]])
        if value is not ABSENT:
            values[f"vad.{names[part]}"] = value
    return values


def _span(sent: Sent, text: str) -> tuple[float, float | None]:
    parts = _json_parts(sent, text)
    if "start" not in parts or not parts.keys() <= {"start", "end"}:
        raise InvalidRequest(f"`{sent.name}` takes objects with `start` and `end` in seconds.", param=sent.name)
    return _time(sent, parts["start"]), _time(sent, parts["end"]) if "end" in parts else None


def _time(sent: Sent, text: str) -> float:
    value: float = read_value(
        Sent(sent.name, [text]), {"type": "number", "minimum": 0, "maximum": LONGEST_AUDIO_S}
    )
    if value is ABSENT:
        raise InvalidRequest(f"`{sent.name}` holds an empty time.", param=sent.name)
    return value
