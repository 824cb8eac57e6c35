"""Speech: a text in, its sound out; codes of sound; the library of voices."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.fish_speech.types import (
    Audio,
    Decoded,
    Finished,
    NewVoice,
    SpeechEvent,
    SpeechRequest,
    Started,
    Voice,
    VoiceChange,
)
from serve_app.fields.audio import Upload
from serve_app.gateway.base import GatewayBase


class SpeechGateway(GatewayBase):
    """What replicas of speech models do."""

    async def speak(
        self, request: SpeechRequest, references: Sequence[Upload] = ()
    ) -> AsyncGenerator[SpeechEvent]:
        """Events of one utterance, as ``deployments.fish_speech.types`` describes them; ``references`` are audio
        files, one for each of ``request.reference_texts``.

        The seed is drawn here, so that a second replica goes on with the speech of one that died. Raises any
        ``AntiphonError``. Closing the iterator stops the work.
        """
        resolved = self.models.resolve("speech", request.model)
        deadline = self._deadline(request.deadline)
        request = request.seeded().model_copy(update={"model": resolved.on_demand, "deadline": deadline})
        audios = await self._placed(references)
        resume = SpeechResume()
        chunks = self._calls[resolved.entry.id].stream("speak", deadline, request, *audios)
        async with aclosing(chunks):
            async for _, events in chunks:
                for event in resume.fresh(events):
                    yield event

    async def encode_speech(self, audios: Sequence[Upload], model: str | None = None) -> list[NDArray[np.int32]]:
        """The codes of audio files: int32 of shape (codebooks, frames) each. Raises any ``AntiphonError``."""
        codes: list[NDArray[np.int32]] = await self._ask("encode", model, *await self._placed(audios))
        return codes

    async def decode_speech(self, codes: Sequence[NDArray[np.int32]], model: str | None = None) -> list[Decoded]:
        """The sound of codes of shape (codebooks, frames). Raises any ``AntiphonError``."""
        decoded: list[Decoded] = await self._ask("decode", model, *codes)
        return decoded

    async def voices(self, model: str | None = None) -> list[Voice]:
        """The voice library, by id. Raises any ``AntiphonError``."""
        voices: list[Voice] = await self._ask("voices", model)
        return voices

    async def voice(self, voice_id: str, model: str | None = None) -> Voice:
        """One voice. Raises VoiceNotFound and any other ``AntiphonError``."""
        voice: Voice = await self._ask("voice", model, voice_id)
        return voice

    async def add_voice(self, voice: NewVoice, audios: Sequence[Upload], model: str | None = None) -> Voice:
        """Keep a voice. Raises VoiceConflict and any other ``AntiphonError``; then nothing is kept."""
        added: Voice = await self._ask("add_voice", model, voice, *await self._placed(audios))
        return added

    async def change_voice(self, voice_id: str, change: VoiceChange, model: str | None = None) -> Voice:
        """Rename or describe a voice. Raises VoiceNotFound, VoiceConflict, any other ``AntiphonError``."""
        changed: Voice = await self._ask("change_voice", model, voice_id, change)
        return changed

    async def delete_voice(self, voice_id: str, model: str | None = None) -> None:
        """Remove a voice. Raises VoiceNotFound, VoiceConflict, any other ``AntiphonError``."""
        await self._ask("delete_voice", model, voice_id)

    async def _ask(self, method: str, model: str | None, *args: Any) -> Any:
        """One call of a speech model's replica."""
        resolved = self.models.resolve("speech", model)
        return await self._calls[resolved.entry.id].one(method, self._deadline(), resolved.on_demand, *args)


class SpeechResume:
    """Leaves out the samples that the caller has. The seed is the same in every attempt, and so is the speech."""

    def __init__(self) -> None:
        self._samples = 0
        self._started = False

    def fresh(self, events: list[SpeechEvent]) -> Iterator[SpeechEvent]:
        """The events of a chunk that the caller does not have yet."""
        for event in events:
            match event:
                case Started():
                    if not self._started:
                        self._started = True
                        yield event
                case Audio():
                    missing = event.samples[max(0, self._samples - event.begin) :]
                    if len(missing):
                        yield Audio(missing, self._samples)
                        self._samples += len(missing)
                case Finished():
                    yield event
