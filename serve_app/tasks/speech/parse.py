"""A body of the speech route, as what it asks for."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, TypeGuard

from deployments.errors import InvalidRequest, VoiceNotFound
from deployments.fish_speech.types import NumbersLanguage, SamplingOptions, SpeechRequest, Voice
from media.codec_writer import CODECS
from media.encode import AudioFormat
from serve_app.fields.audio import Upload, audio_of
from serve_app.fields.form_values import as_form_text, wrong_value
from serve_app.fields.json_field import MODEL, JsonField, JsonFields, ignored_header, sort_fields
from serve_app.tasks.speech import fields as field
from serve_app.tasks.speech.encoding import Container
from serve_app.tasks.speech.parsed import ParsedSpeech, check_speakable

Ignores = Callable[[str | None], bool]

PCM_RATE = 24_000  # what the hosted API documents
STOCK_VOICES = frozenset(
    (
        *("alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage"),
        *("shimmer", "verse"),
    )
)


def parse_speech(
    body: Mapping[str, Any], request_id: str = "", *, ignores_instructions: Ignores = lambda _: False
) -> ParsedSpeech:
    """What a body asks for; what it leaves out is left to the model. ``ignores_instructions`` tells of a model's
    name, None being the default one's, whether it does.

    Raises InvalidRequest with the name of a field that is wrong or cannot be honoured.
    """
    fields = sort_fields(body, field.SPEECH)
    ignored = fields.ignored
    if fields.scalar(field.INSTRUCTIONS) is not None:
        if not ignores_instructions(fields.text(MODEL)):
            raise InvalidRequest(
                "`instructions` cannot be honoured: models here take none. Choose a `voice` that speaks as you "
                "want.",
                param="instructions",
            )
        ignored = (*ignored, field.INSTRUCTIONS.name)
    kind: AudioFormat = fields.scalar(field.RESPONSE_FORMAT) or "mp3"
    streamed = fields.scalar(field.STREAM) is not False
    references = _references(fields)
    request = SpeechRequest(
        text=_input(fields),
        reference_texts=tuple(text for text, _ in references),
        voice=_voice(fields, references=bool(references)),
        speaker=fields.scalar(field.SPEAKER),
        sampling=_sampling(fields),
        sample_rate=fields.scalar(field.SAMPLE_RATE) or (PCM_RATE if kind == "pcm" else None),
        whole=not streamed,
        model=fields.text(MODEL),
        request_id=request_id,
        normalize=_normalize(fields),
        **_given(fields, field.TEXT_FORMAT, field.SPEED, field.VOLUME),
    )
    return ParsedSpeech(
        request,
        tuple(upload for _, upload in references),
        Container(kind, _bit_rate(fields, kind), streamed),
        streamed,
        ignored_header(ignored),
        events=fields.scalar(field.STREAM_FORMAT) == "sse",
    )


async def with_known_voice(parsed: ParsedSpeech, voice: Callable[[str], Awaitable[Voice]]) -> ParsedSpeech:
    """The same; if it names a stock voice of the hosted API, in any case, in the voice that ``voice`` finds under
    this name, else in the default voice. Raises what ``voice`` raises otherwise.
    """
    name = parsed.request.voice
    if not _is_stock(name):
        return parsed
    for spelling in dict.fromkeys((name, name.lower())):
        with contextlib.suppress(VoiceNotFound):
            return _in_voice(parsed, (await voice(spelling)).id)
    return _in_voice(parsed, None)


def _is_stock(name: str | None) -> TypeGuard[str]:
    return name is not None and name.lower() in STOCK_VOICES


def _in_voice(parsed: ParsedSpeech, voice: str | None) -> ParsedSpeech:
    return replace(parsed, request=parsed.request.model_copy(update={"voice": voice}))


def _input(fields: JsonFields) -> str:
    text = fields.values["input"]
    if not isinstance(text, str):
        raise wrong_value("input", as_form_text(text), field.INPUT.schema)
    check_speakable(text, "input")
    return text


def _normalize(fields: JsonFields) -> NumbersLanguage | None:
    match fields.values.get("normalize"):
        case None | False | "":
            return None
        case True | "en":
            return "en"
        case other:
            raise wrong_value("normalize", as_form_text(other), field.NORMALIZE.schema)


def _voice(fields: JsonFields, *, references: bool) -> str | None:
    """The voice's id. Clients that cannot leave it out send a stock voice beside references."""
    value = fields.values.get("voice")
    if isinstance(value, dict) and isinstance(value.get("id"), str):
        value = value["id"]
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > field.VOICE.schema["anyOf"][0]["maxLength"]:
        raise wrong_value("voice", as_form_text(value), field.VOICE.schema)
    if not references:
        return value
    if not _is_stock(value):
        raise InvalidRequest("`voice` and `references` both say who speaks; send only one of them.", param="voice")
    return None


def _references(fields: JsonFields) -> list[tuple[str, Upload]]:
    sent = fields.values.get("references") or []
    schema = field.REFERENCES.schema
    if not isinstance(sent, list) or len(sent) > schema["maxItems"]:
        raise wrong_value("references", as_form_text(sent), schema)
    references = []
    for one in sent:
        if (
            not isinstance(one, dict)
            or not isinstance(one.get("audio"), str)
            or not isinstance(one.get("text"), str)
        ):
            raise wrong_value("references", as_form_text(one), schema)
        references.append((one["text"], audio_of(one["audio"], "references")))
    return references


def _sampling(fields: JsonFields) -> SamplingOptions:
    """Only what was sent, so that all else is the model's default."""
    return SamplingOptions(**_given(fields, *field.SAMPLING))


def _given(fields: JsonFields, *rows: JsonField) -> dict[str, Any]:
    values = {row.name: fields.scalar(row) for row in rows}
    return {name: value for name, value in values.items() if value is not None}


def _bit_rate(fields: JsonFields, kind: AudioFormat) -> int | None:
    """In bits per second; None is the format's own."""
    wanted: int | None = fields.scalar(field.BIT_RATE)
    if wanted is None:
        return None
    rates = CODECS[kind].bit_rates if kind in CODECS else None
    if rates is None:
        raise InvalidRequest(
            f"`bit_rate` does nothing for {kind}, which loses nothing; leave it out.", param="bit_rate"
        )
    _, least, most = rates
    if not least <= wanted <= most:
        raise InvalidRequest(
            f"`bit_rate` of {kind} has to be from {least} to {most}, not {wanted}.", param="bit_rate"
        )
    return wanted
