"""Which sound of a file to transcribe: the fields for a track and for channels, and their readers."""

import re
from collections.abc import Mapping
from typing import Any

from deployments.errors import InvalidRequest
from deployments.whisper.sound.choice import LONGEST_TAG, MAX_CHANNELS, MAX_TRACKS, MOST_APART
from serve_app.fields.form_field import FormField
from serve_app.fields.form_values import ABSENT, Sent, quoted, read_value, split_list, wrong_value
from serve_app.fields.schema_words import Schema
from serve_app.tasks.transcription.languages import language_code

WAYS = ("mix", "split", "left", "right")
SIDES = {"left": "0", "right": "1"}
NUMBERS: Schema = {
    "type": "array",
    "items": {"type": "integer", "minimum": 0, "maximum": MAX_CHANNELS - 1},
    "maxItems": MOST_APART,
}
TRACK_NUMBER: Schema = {"type": "integer", "minimum": 0, "maximum": MAX_TRACKS - 1}
_TAG = re.compile(rf"(?=.{{2,{LONGEST_TAG}}}$)[a-z]{{2,3}}([-_][a-z0-9]{{1,8}})*", re.ASCII | re.IGNORECASE)


def read_channels(field: FormField, sent: Sent) -> Mapping[str, Any]:
    """``mix``, ``split``, or the numbers of channels, of which ``left`` is 0 and ``right`` is 1."""
    if sent.parts:
        return {field.target: read_value(sent, field.schema)}  # which refuses them
    entries = [entry.strip().lower() for entry in split_list(sent)]
    if not any(entries):
        return {}
    if entries in (["mix"], ["split"]):
        return {field.target: entries[0]}
    if any(entry.isalpha() and entry not in SIDES for entry in entries):
        raise wrong_value(sent.name, ",".join(split_list(sent)), field.schema)
    numbers = read_value(Sent(sent.name, [SIDES.get(entry, entry) for entry in entries]), NUMBERS)
    if len(set(numbers)) < len(numbers):
        raise InvalidRequest(f"`{sent.name}` names a channel twice; name each once.", param=sent.name)
    return {field.target: numbers}


def read_audio_track(field: FormField, sent: Sent) -> Mapping[str, Any]:
    """A track by its number, or by its language as tag or English name."""
    text = read_value(sent, {"type": "string"})
    if text is ABSENT or text.strip().lower() == "default":
        return {}
    plain = text.strip()
    if plain.isdecimal():
        return {field.target: read_value(Sent(sent.name, [plain]), TRACK_NUMBER)}
    language = plain if _TAG.fullmatch(plain) else language_code(plain)
    if language is None:
        raise InvalidRequest(
            f"`{sent.name}` has to be the number of an audio track, from 0, or its language as a tag such as `en` "
            f"or an English name such as `english`, not {quoted(text)}.",
            param=sent.name,
        )
    return {field.target: language}


SOUND = (
    FormField(
        "audio_track",
        {"anyOf": [TRACK_NUMBER, {"type": "string"}]},
        "Of a file with several audio tracks, the one to hear: its number, from 0, or its language. If absent, "
        "the one that the file flags as its default, else the first.",
        target="request.audio_track",
        read=read_audio_track,
    ),
    FormField(
        "channels",
        {"anyOf": [{"type": "string", "enum": list(WAYS)}, NUMBERS], "default": "mix"},
        "`mix` hears all channels as one. `split` transcribes each by itself, at most eight, and segments name "
        "their `channel`, from 0. `left` (channel 0), `right` (channel 1) or a number hears one alone, several "
        "numbers these apart.",
        target="request.channels",
        read=read_channels,
    ),
)
