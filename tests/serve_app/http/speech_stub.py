"""A speech gateway that hums: what every entrance needs of the gateway, without a model.

A text becomes a tone whose samples depend on text, seed, voice and references, so that tests can tell them apart.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import numpy as np
from numpy.typing import NDArray

from deployments.errors import VoiceConflict, VoiceNotFound
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
from serve_app.config.models import FishSpeechEntry
from serve_app.fields.audio import Upload

SPEECH_MODEL = FishSpeechEntry(
    id="sample-tts",
    family="fish_speech",
    default=True,
    license="CC-BY-NC-SA-4.0",
    config={"source": "samples/tts/model"},
)
RATE = 16_000
SAMPLES_PER_CHAR = 800  # 50 ms
CHUNK = 4_000


class StubSpeech:
    """Mix it into a stub gateway. ``hindrances`` are raised (exceptions) or waited for (asyncio events) after
    that many chunks; ``speech_requests`` and ``references`` keep what was asked; ``closed`` counts streams that
    were left early. Speech says that it was ``cut``.
    """

    def __init__(self, hindrances: dict[int, BaseException | asyncio.Event] | None = None) -> None:
        self.hindrances = hindrances or {}
        self.speech_requests: list[SpeechRequest] = []
        self.references: list[list[bytes]] = []
        self.closed = 0
        self.cut = False
        self.library: dict[str, Voice] = {}

    async def speak(
        self, request: SpeechRequest, references: Sequence[Upload] = ()
    ) -> AsyncGenerator[SpeechEvent]:
        self.speech_requests.append(request)
        self.references.append([upload.data.tobytes() for upload in references])
        if request.voice is not None and request.voice not in self.library:
            raise VoiceNotFound(f"There is no voice {request.voice!r}.", param="voice")
        rate = request.sample_rate or RATE
        samples = tone(request, rate)
        ended = False
        try:
            await self._hinder(0)
            yield Started(rate, request.sampling.seed or 0, 1, len(request.text))
            for number, begin in enumerate(range(0, len(samples), CHUNK), 1):
                yield Audio(samples[begin : begin + CHUNK], begin)
                await self._hinder(number)
            ended = True
            yield Finished(len(samples), len(samples) // 640, self.cut)
        finally:
            self.closed += not ended

    async def encode_speech(self, audios: Sequence[Upload], model: str | None = None) -> list[NDArray[np.int32]]:
        return [np.arange(4 * (len(audio.data) % 50 + 1), dtype=np.int32).reshape(4, -1) for audio in audios]

    async def decode_speech(self, codes: Sequence[NDArray[np.int32]], model: str | None = None) -> list[Decoded]:
        return [Decoded(RATE, np.full(one.shape[1] * 640, 0.25, np.float32)) for one in codes]

    async def voices(self, model: str | None = None) -> list[Voice]:
        return [self.library[name] for name in sorted(self.library)]

    async def voice(self, voice_id: str, model: str | None = None) -> Voice:
        if voice_id not in self.library:
            raise VoiceNotFound(f"There is no voice {voice_id!r}.", param="voice")
        return self.library[voice_id]

    async def add_voice(self, voice: NewVoice, audios: Sequence[Upload], model: str | None = None) -> Voice:
        if voice.id in self.library:
            raise VoiceConflict(f"There is a voice {voice.id!r} already.", param="id")
        self.references.append([upload.data.tobytes() for upload in audios])
        self.library[voice.id] = Voice(voice.id, voice.texts, voice.details, 1_700_000_000.0, 1_700_000_000.0)
        return self.library[voice.id]

    async def change_voice(self, voice_id: str, change: VoiceChange, model: str | None = None) -> Voice:
        old = await self.voice(voice_id)
        del self.library[voice_id]
        new = Voice(change.id or old.id, old.texts, change.details or old.details, old.created, 1_700_000_001.0)
        self.library[new.id] = new
        return new

    async def delete_voice(self, voice_id: str, model: str | None = None) -> None:
        await self.voice(voice_id)
        del self.library[voice_id]

    async def _hinder(self, chunk: int) -> None:
        match self.hindrances.get(chunk):
            case asyncio.Event() as event:
                await event.wait()
            case BaseException() as error:
                raise error


def tone(request: SpeechRequest, rate: int = RATE) -> NDArray[np.float32]:
    """What the stub says: 50 ms for every character."""
    count = len(request.text) * SAMPLES_PER_CHAR * rate // RATE
    pitch = 200 + (sum(request.text.encode()) + (request.sampling.seed or 0)) % 200
    return (0.5 * np.sin(2 * np.pi * pitch * np.arange(count) / rate)).astype(np.float32)
