"""The one way in. Every entrance calls the gateway; none talks to a deployment.

It resolves the model, gives the request its deadline and sends it to a replica; ``deployments.calls`` tries
again when a replica dies, turns everything that can go wrong into the exception tree, and cancels the replica's
work when the caller leaves.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from deployments.calls import Calls, Handle
from deployments.fish_speech.types import (
    LARGEST_SEED,
    Decoded,
    NewVoice,
    SpeechEvent,
    SpeechRequest,
    Voice,
    VoiceChange,
)
from deployments.model_state import ModelState, most_telling
from deployments.text_classification.config import TextClassificationConfig
from deployments.text_classification.types import ClassificationRequest, TextScores
from deployments.whisper.types import TranscriptionEvent, TranscriptionRequest
from serve_app.config.app import AppConfig, ModelEntry
from serve_app.fields.audio import Upload
from serve_app.gateway.models import ModelIndex, Resolved
from serve_app.resume import SpeechResume, TranscriptionResume

logger = logging.getLogger("ray.serve")

STATES_TIMEOUT_S = 2.0


class Gateway:
    """Typed requests in, typed results or async iterators out.

    ``handles`` maps a model id to its deployment; ``put`` places bytes where every replica can read them
    without another copy (Ray's object store in a cluster, nothing at all in one process).
    """

    def __init__(
        self,
        models: ModelIndex,
        handles: Mapping[str, Handle],
        states: Handle,
        *,
        timeout_s: float = 3_600,
        retries: int = 2,
        put: Callable[[Any], Any] = lambda value: value,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.models = models
        self._handles = handles
        self._states = states
        self._timeout_s = timeout_s
        self._retries = retries
        self._put = put
        self._clock = clock

    async def transcribe(
        self, request: TranscriptionRequest, upload: Upload | None = None
    ) -> AsyncGenerator[TranscriptionEvent]:
        """Events of one transcription, as ``deployments.whisper.types`` describes them.

        Raises any ``AntiphonError``. Closing the iterator stops the work.
        """
        resolved = self.models.resolve("transcription", request.model)
        deadline = self._deadline(request.deadline)
        request = request.model_copy(update={"model": resolved.on_demand, "deadline": deadline})
        audio = None if upload is None else await asyncio.to_thread(self._put, upload.data)
        upload = None  # the copy in the object store is enough
        resume = TranscriptionResume()
        parcels = self._calls(resolved.entry).stream("transcribe", deadline, request, audio)
        async with contextlib.aclosing(parcels):
            async for attempt, parcel in parcels:
                for event in resume.fresh(attempt, parcel):
                    yield event

    async def classify(self, request: ClassificationRequest) -> tuple[TextScores, ...]:
        """Scores of every text, in the texts' order. Raises any ``AntiphonError``. Cancelling stops the work."""
        resolved = self.models.resolve("classification", request.model)
        limits = resolved.entry.config
        assert isinstance(limits, TextClassificationConfig)
        request.check_size(limits.max_texts, limits.max_chars)  # before it is sent around
        deadline = self._deadline(request.deadline)
        request = replace(request, model=resolved.on_demand, deadline=deadline)
        scores: tuple[TextScores, ...] = await self._calls(resolved.entry).one("classify", deadline, request)
        return scores

    async def speak(
        self, request: SpeechRequest, references: Sequence[Upload] = ()
    ) -> AsyncGenerator[SpeechEvent]:
        """Events of one utterance, as ``deployments.fish_speech.types`` describes them; ``references`` are audio
        files, one for each of ``request.reference_texts``.

        The seed is drawn here, so that a second replica goes on with the speech of one that died. Raises any
        ``AntiphonError``. Closing the iterator stops the work.
        """
        resolved = self._speech(request.model)
        deadline = self._deadline(request.deadline)
        drawn = request.sampling.seed
        seed = secrets.randbelow(LARGEST_SEED + 1) if drawn is None else drawn
        sampling = request.sampling.model_copy(update={"seed": seed})
        sampling.model_fields_set.add("seed")
        request = request.model_copy(
            update={"model": resolved.on_demand, "deadline": deadline, "sampling": sampling}
        )
        audios = await self._placed(references)
        resume = SpeechResume()
        parcels = self._calls(resolved.entry).stream("speak", deadline, request, *audios)
        async with contextlib.aclosing(parcels):
            async for attempt, parcel in parcels:
                for event in resume.fresh(attempt, parcel):
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

    async def states(self) -> dict[str, ModelState]:
        """What every model is doing, by id. One nobody has heard of is ``starting``, or ``idle`` if it loads on
        demand: it may have no replica until somebody asks for it.
        """
        try:
            found = await asyncio.wait_for(self._states.snapshot.remote(), STATES_TIMEOUT_S)
        except Exception:
            logger.warning("the state board does not answer", exc_info=True)
            found = {}
        return {
            entry.id: most_telling(found.get(entry.id, []))
            if entry.id in found or entry.config.load == "startup"
            else ModelState("idle")
            for entry in self.models.entries
        }

    def _speech(self, model: str | None) -> Resolved:
        return self.models.resolve("speech", model)

    async def _ask(self, method: str, model: str | None, *args: Any) -> Any:
        """One call of a speech model's replica."""
        resolved = self._speech(model)
        return await self._calls(resolved.entry).one(method, self._deadline(None), resolved.on_demand, *args)

    async def _placed(self, uploads: Sequence[Upload]) -> list[Any]:
        return [await asyncio.to_thread(self._put, upload.data) for upload in uploads]

    def _deadline(self, wanted: float | None) -> float:
        latest = self._clock() + self._timeout_s
        return latest if wanted is None else min(wanted, latest)

    def _calls(self, model: ModelEntry) -> Calls:
        return Calls(self._handles[model.id], model.id, self._retries, self._clock)


def make_gateway(config: AppConfig, handles: Mapping[str, Handle], states: Handle) -> Gateway:
    """A gateway to the deployments of a graph. Bytes go through Ray's object store if there is a cluster."""
    return Gateway(
        ModelIndex.of(config),
        handles,
        states,
        timeout_s=config.http.request_timeout_s,
        retries=config.http.retries,
        put=ray.put if ray.is_initialized() else lambda value: value,
    )
