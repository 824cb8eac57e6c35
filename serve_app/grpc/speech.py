"""Speech's messages: what they ask for, and what is answered."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from deployments.errors import InvalidRequest
from deployments.fish_speech.types import Finished, SamplingOptions, SpeechRequest, Started, TextFormat
from deployments.fish_speech.types import Voice as LibraryVoice
from media.encode import AudioFormat
from serve_app.fields.audio import uploads_of
from serve_app.fields.schema_words import expectation
from serve_app.grpc.protos import speech_pb2 as protocol
from serve_app.tasks.speech.encoding import Container, EncodedPart, SpeechFile
from serve_app.tasks.speech.parsed import ParsedSpeech

FORMATS: Mapping[int, AudioFormat] = {
    protocol.AUDIO_FORMAT_UNSPECIFIED: "wav",
    protocol.AUDIO_FORMAT_WAV: "wav",
    protocol.AUDIO_FORMAT_PCM: "pcm",
    protocol.AUDIO_FORMAT_FLAC: "flac",
    protocol.AUDIO_FORMAT_MP3: "mp3",
    protocol.AUDIO_FORMAT_OPUS: "opus",
    protocol.AUDIO_FORMAT_AAC: "aac",
}
TEXT_FORMATS: Mapping[int, TextFormat] = {
    protocol.TEXT_FORMAT_UNSPECIFIED: "plain",
    protocol.TEXT_FORMAT_PLAIN: "plain",
    protocol.TEXT_FORMAT_MARKDOWN: "markdown",
    protocol.TEXT_FORMAT_SSML: "ssml",
}
OPTIONS = ("sample_rate", "speed", "volume_db")
RENAMED = {"reference_texts": "references"}
SAMPLING = ("temperature", "top_p", "repetition_penalty", "max_new_tokens", "chunk_length", "seed")

Model = TypeVar("Model", bound=BaseModel)


def read_request(message: protocol.SpeakRequest, request_id: str) -> ParsedSpeech:
    """What a message asks for. Raises InvalidRequest."""
    if message.format not in FORMATS:
        raise InvalidRequest(f"`format` is {int(message.format)}, which is no format.", param="format")
    if message.text_format not in TEXT_FORMATS:
        raise InvalidRequest(
            f"`text_format` is {int(message.text_format)}, which is no format of texts.", param="text_format"
        )
    for number, reference in enumerate(message.references, 1):
        if not reference.audio:
            raise InvalidRequest(f"The audio of reference {number} is missing.", param="references")
    sampling = _built(SamplingOptions, _given(message, SAMPLING))
    asked = {name: getattr(message, name) or None for name in ("model", "voice", "speaker")}
    request = _built(
        SpeechRequest,
        {
            **asked,
            **_given(message, OPTIONS),
            "text": message.text,
            "text_format": TEXT_FORMATS[message.text_format],
            "normalize": message.normalize or None,
            "reference_texts": tuple(reference.text for reference in message.references),
            "sampling": sampling,
            "request_id": request_id,
        },
    )
    references = uploads_of(one.audio for one in message.references)
    bit_rate = message.bit_rate if message.HasField("bit_rate") else None
    return ParsedSpeech(request, references, Container(FORMATS[message.format], bit_rate))


def read_model(message: protocol.ListVoicesRequest, request_id: str) -> str | None:
    """The model whose voices are asked for."""
    return message.model or None


def response_of(file: SpeechFile, model: str) -> protocol.SpeakResponse:
    """A whole file."""
    return protocol.SpeakResponse(
        audio=file.data,
        sample_rate=file.started.sample_rate,
        duration=file.seconds,
        seed=file.started.seed,
        cut=file.finished.cut,
        model=model,
        classification=file.started.classification,
        judged_pieces=file.started.judged_pieces,
    )


class Events:
    """Turns the parts of one utterance into events of the protocol."""

    def __init__(self, model: str) -> None:
        self._model, self._rate = model, 0

    def of(self, part: EncodedPart) -> Iterable[protocol.SpeechEvent]:
        """The events for a part, perhaps none."""
        if isinstance(part.event, Started):
            self._rate = part.event.sample_rate
            yield protocol.SpeechEvent(started=_started(part.event, self._model))
        if part.data:
            yield protocol.SpeechEvent(audio=part.data)
        if isinstance(part.event, Finished):
            finished = protocol.SpeechFinished(
                duration=part.event.samples / self._rate, frames=part.event.frames, cut=part.event.cut
            )
            yield protocol.SpeechEvent(finished=finished)


def voices_of(voices: Iterable[LibraryVoice]) -> protocol.ListVoicesResponse:
    """The voice library."""
    return protocol.ListVoicesResponse(
        voices=(
            protocol.Voice(
                id=voice.id,
                texts=voice.texts,
                title=voice.details.title,
                description=voice.details.description,
                tags=voice.details.tags,
                languages=voice.details.languages,
                created=voice.created,
                updated=voice.updated,
                shipped=voice.shipped,
            )
            for voice in voices
        )
    )


def _started(event: Started, model: str) -> protocol.SpeechStarted:
    return protocol.SpeechStarted(
        sample_rate=event.sample_rate,
        seed=event.seed,
        segments=event.segments,
        text_tokens=event.text_tokens,
        model=model,
        classification=event.classification,
        judged_pieces=event.judged_pieces,
    )


def _given(message: protocol.SpeakRequest, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(message, name) for name in names if message.HasField(name)}


def _built(kind: type[Model], values: Mapping[str, Any]) -> Model:
    try:
        return kind(**values)
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        name = RENAMED.get(field, field)
        wanted = expectation(kind.model_json_schema()["properties"][field])
        raise InvalidRequest(f"`{name}` has to be {wanted}.", param=name) from error
