"""What the entrances need from the gateway, so that neither they nor their tests import Ray."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deployments.fish_speech.types import Decoded, NewVoice, SpeechEvent, SpeechRequest, Voice, VoiceChange
from deployments.model_state import ModelState
from deployments.text_classification.types import ClassificationRequest, TextScores
from deployments.whisper.types import TranscriptionEvent, TranscriptionRequest
from serve_app.fields.audio import Upload
from serve_app.gateway.models import ModelIndex


class Backend(Protocol):
    """The gateway as its entrances see it."""

    models: ModelIndex

    def transcribe(
        self, request: TranscriptionRequest, upload: Upload | None = None
    ) -> AsyncGenerator[TranscriptionEvent, None]:
        """Events of one transcription. Raises any ``AntiphonError``; closing the generator stops the work."""
        ...

    async def classify(self, request: ClassificationRequest) -> tuple[TextScores, ...]:
        """Scores of every text, in order. Raises any ``AntiphonError``; cancelling it stops the work."""
        ...

    def speak(
        self, request: SpeechRequest, references: Sequence[Upload] = ()
    ) -> AsyncGenerator[SpeechEvent, None]:
        """Events of one utterance; ``references`` are audio files, one for each of ``request.reference_texts``.

        Raises any ``AntiphonError``; closing the generator stops the work.
        """
        ...

    async def encode_speech(self, audios: Sequence[Upload], model: str | None = None) -> list[NDArray[np.int32]]:
        """The codes of audio files: int32 of shape (codebooks, frames) each. Raises any ``AntiphonError``."""
        ...

    async def decode_speech(self, codes: Sequence[NDArray[np.int32]], model: str | None = None) -> list[Decoded]:
        """The sound of codes of shape (codebooks, frames). Raises any ``AntiphonError``."""
        ...

    async def voices(self, model: str | None = None) -> list[Voice]:
        """The voice library, by id. Raises any ``AntiphonError``."""
        ...

    async def voice(self, voice_id: str, model: str | None = None) -> Voice:
        """One voice. Raises VoiceNotFound and any other ``AntiphonError``."""
        ...

    async def add_voice(self, voice: NewVoice, audios: Sequence[Upload], model: str | None = None) -> Voice:
        """Keep a voice. Raises VoiceConflict and any other ``AntiphonError``; then nothing is kept."""
        ...

    async def change_voice(self, voice_id: str, change: VoiceChange, model: str | None = None) -> Voice:
        """Rename or describe a voice. Raises VoiceNotFound, VoiceConflict, any other ``AntiphonError``."""
        ...

    async def delete_voice(self, voice_id: str, model: str | None = None) -> None:
        """Remove a voice. Raises VoiceNotFound, VoiceConflict, any other ``AntiphonError``."""
        ...

    async def states(self) -> Mapping[str, ModelState]:
        """What every model is doing, by id."""
        ...
