"""Bodies of the voice routes, as what they ask for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from deployments.errors import InvalidRequest
from deployments.fish_speech.types import NewVoice, Voice, VoiceChange, VoiceDetails
from serve_app.fields.audio import Upload, audio_of
from serve_app.fields.form_values import as_form_text, quoted, wrong_value
from serve_app.fields.json_field import MODEL, JsonField, JsonFields, ignored_header, sort_fields
from serve_app.tasks.speech import voice_fields as field


@dataclass(frozen=True, slots=True)
class ParsedVoice:
    """A voice to be made. ``texts`` are the transcripts of its recordings, none if they are to be transcribed.

    ``headers`` are for the response.
    """

    id: str
    details: VoiceDetails
    recordings: tuple[Upload, ...]
    texts: tuple[str, ...]
    model: str | None
    headers: Mapping[str, str]

    def voice(self, texts: Iterable[str]) -> NewVoice:
        """The voice with the transcripts of its recordings."""
        return NewVoice(id=self.id, texts=tuple(texts), details=self.details)


def parse_new_voice(body: Mapping[str, Any]) -> ParsedVoice:
    """What a body asks for. Raises InvalidRequest with the name of a field that is wrong or cannot be honoured."""
    fields = sort_fields(body, field.NEW_VOICE)
    _refuse_prompts(fields)
    name = fields.scalar(field.NAME) or ""
    recordings = tuple(_recordings(fields))
    texts = tuple(_texts(fields, field.TEXT))
    if texts and len(texts) != len(recordings):
        raise InvalidRequest(
            f"There are {len(recordings)} recordings and {len(texts)} transcripts; send one for each.",
            param="text",
        )
    details = _details(fields, VoiceDetails())
    voice_id = fields.scalar(field.ID) or name
    _check_id(voice_id, "name" if fields.scalar(field.ID) is None else "id")
    return ParsedVoice(voice_id, details, recordings, texts, fields.text(MODEL), ignored_header(fields.ignored))


def parse_change(body: Mapping[str, Any], voice: Voice) -> VoiceChange:
    """What a body changes about a voice. Raises InvalidRequest with the name of a field that is wrong."""
    fields = sort_fields(body, field.VOICE_CHANGE)
    new_id = fields.scalar(field.ID)
    if new_id is not None:
        _check_id(new_id, "id")
    return VoiceChange(id=new_id, details=_details(fields, voice.details))


def _refuse_prompts(fields: JsonFields) -> None:
    asked = fields.scalar(field.TYPE) == "prompt"
    for row in (field.PROMPT, field.SCRIPT_HINT):
        asked = asked or fields.scalar(row) is not None
    if asked:
        raise InvalidRequest(
            "Voices are not made from prompts here; send a recording as `audio_sample`.", param="prompt"
        )


def _recordings(fields: JsonFields) -> Iterable[Upload]:
    sent, name = fields.values["audio_sample"], fields.names["audio_sample"]
    many = sent if isinstance(sent, list) else [sent]
    if not many or len(many) > field.MOST:
        raise InvalidRequest(f"`{name}` has to be a file, or at most {field.MOST} of them.", param=name)
    return [one if isinstance(one, Upload) else audio_of(one, name) for one in many]


def _texts(fields: JsonFields, row: JsonField) -> list[str]:
    """A list of texts, of which a single one may stand for itself."""
    sent = fields.values.get(row.name)
    if sent is None or sent == "":
        return []
    many = sent if isinstance(sent, list) else [sent]
    if not all(isinstance(one, str) for one in many):
        raise wrong_value(fields.names[row.name], as_form_text(sent), row.schema)
    return many


def _details(fields: JsonFields, now: VoiceDetails) -> VoiceDetails:
    """The details as they are now, with those that were sent."""
    sent: dict[str, Any] = {}
    for row, name in ((field.NAME, "title"), (field.DESCRIPTION, "description")):
        if row.name in fields.values:
            sent[name] = fields.scalar(row) or ""
    for row in (field.TAGS, field.LANGUAGES):
        if row.name in fields.values:
            sent[row.name] = tuple(_texts(fields, row))
    try:
        return VoiceDetails.model_validate({**now.model_dump(), **sent})
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        raise InvalidRequest(
            f"`{name}` has to be at most 64 texts of 1 to 64 characters.", param=name
        ) from error  # the others have been checked by their schemas


def _check_id(voice_id: str, name: str) -> None:
    try:
        VoiceChange(id=voice_id)
    except ValidationError as error:
        hint = "; send another `id` beside it" if name == "name" else ""
        raise InvalidRequest(
            f"`{name}` has to be 1 to 255 Latin letters, digits, `_`, `-` and blanks, a letter or digit at its "
            f"beginning and no blank at its end, not {quoted(voice_id)}{hint}.",
            param=name,
        ) from error
