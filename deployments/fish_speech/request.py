"""What a request wants, checked against what a model has: its text, its voice, its sampling."""

from collections.abc import Callable, Sequence

from deployments.errors import InvalidRequest, PayloadTooLarge
from deployments.fish_speech.config import FishSpeechConfig
from deployments.fish_speech.types import SamplingOptions, SpeechRequest
from deployments.fish_speech.voices.library import AudioFile, Recording
from deployments.texts import check_not_blank, check_unicode

Recordings = Callable[[str], Sequence[Recording]]


def check_text_and_length(text: str, most_chars: int) -> None:
    """Raise InvalidRequest for a blank text, PayloadTooLarge for a longer one, InvalidRequest for no Unicode."""
    check_not_blank(text, "The text", param="text", remedy="send words")
    if len(text) > most_chars:
        raise PayloadTooLarge(
            f"The text has {len(text)} characters, more than the {most_chars} that are taken; send it in several "
            "requests.",
            param="text",
        )
    check_unicode(text, "The text", param="text")


def sampling_of(request: SpeechRequest, defaults: SamplingOptions) -> SamplingOptions:
    """What the request sets, and the model's defaults for the rest."""
    given = {name: getattr(request.sampling, name) for name in request.sampling.model_fields_set}
    return defaults.model_copy(update=given)


def voice_of(
    request: SpeechRequest, files: Sequence[AudioFile], config: FishSpeechConfig, recordings: Recordings
) -> list[tuple[str, AudioFile]]:
    """Transcripts and audio files of the voice that the request means; none leaves it to the model. Blocks.

    Raises VoiceNotFound for a voice that is not in the library, InvalidRequest if transcripts and files differ in
    number.
    """
    voice = request.voice or (None if files else config.default_voice)
    if voice is not None:
        return [(one.text, one.audio) for one in recordings(voice)]
    return paired(request.reference_texts, files, "references")


def paired(texts: Sequence[str], files: Sequence[AudioFile], param: str) -> list[tuple[str, AudioFile]]:
    """Each transcript with its recording. Raises InvalidRequest that names ``param``."""
    if len(files) != len(texts):
        raise InvalidRequest(
            f"There are {len(files)} recordings and {len(texts)} transcripts; send one for each.", param=param
        )
    return list(zip(texts, files, strict=True))
