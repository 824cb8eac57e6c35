"""The files that a new voice is kept as."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deployments.errors import InvalidRequest, PayloadTooLarge, UndecodableAudio
from deployments.fish_speech.types import NewVoice
from deployments.fish_speech.voices.files import (
    CONTAINERS,
    LARGEST_VOICE,
    LONGEST_TRANSCRIPT,
    TRANSCRIPT,
    transcript,
)
from deployments.fish_speech.voices.metadata import METADATA, Metadata
from media.decode import BufferReader, probe

AudioFile = bytes | NDArray[np.uint8]
"""The bytes of an audio file."""


def files_of(voice: NewVoice, audios: Sequence[AudioFile], now: float) -> dict[str, bytes]:
    """Recordings, transcripts and ``voice.json``, by name.

    Raises InvalidRequest for transcripts that do not fit the recordings, PayloadTooLarge, and UndecodableAudio for
    what is no audio or of a rare kind. It looks at the containers only.
    """
    if len(audios) != len(voice.texts):
        raise InvalidRequest(
            f"There are {len(audios)} recordings and {len(voice.texts)} transcripts; send one for each.",
            param="texts",
        )
    if sum(len(audio) for audio in audios) > LARGEST_VOICE:
        raise PayloadTooLarge(
            f"The recordings of a voice may have {LARGEST_VOICE >> 20} MiB; 10 to 30 s of speech are enough.",
            param="audio",
        )
    files: dict[str, bytes] = {}
    for number, (text, audio) in enumerate(zip(voice.texts, audios, strict=True), 1):
        files[f"{number:03}{TRANSCRIPT}"] = _checked(text)
        files[f"{number:03}{_suffix(audio)}"] = bytes(audio)
    return files | {METADATA: Metadata.written(voice.details, now, now)}


def _checked(text: str) -> bytes:
    content = text.strip().encode()
    if not transcript(content):
        raise InvalidRequest("A transcript is empty; write what is said in the recording.", param="texts")
    if len(content) > LONGEST_TRANSCRIPT:
        raise InvalidRequest("A transcript is longer than any recording; send shorter ones.", param="texts")
    return content


def _suffix(audio: AudioFile) -> str:
    try:
        container = probe(BufferReader(audio)).container
    except UndecodableAudio as error:
        error.param = "audio"
        raise
    suffix = CONTAINERS.get(container.split(",")[0])
    if suffix is None:
        raise UndecodableAudio(
            "A recording is of a kind that is not kept; send WAV, FLAC, MP3, Ogg, M4A, AAC, WMA, AIFF or WebM.",
            param="audio",
        )
    return suffix
