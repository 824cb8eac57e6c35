"""The Ray Serve deployment of a speech model: admission, voices, events. Everything else is below it."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from ray import serve

from deployments.admission import Admission, Ticket
from deployments.calls import Calls
from deployments.deadline import until, within
from deployments.errors import ContentRefused, InternalError
from deployments.fish_speech.config import FishSpeechConfig
from deployments.fish_speech.pauses import with_pauses
from deployments.fish_speech.progress import SpeechProgress
from deployments.fish_speech.request import check_text_and_length, paired, sampling_of, voice_of
from deployments.fish_speech.text.script import Script, script_of
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
from deployments.fish_speech.voices.library import VoiceLibrary
from deployments.handle import Handle
from deployments.labelling import Judgement, TextLabels
from deployments.model_host import LoadedModel, ModelFamily
from deployments.replica import Replica
from media.effects import AudioEffects

if TYPE_CHECKING:
    from deployments.fish_speech.engine import FishSpeechEngine
    from deployments.fish_speech.synthesizer import Synthesizer, Utterance

Model = LoadedModel["FishSpeechEngine", "Synthesizer"]
Result = TypeVar("Result")

MODEL_FILES = ("*.json", "*.pth", "*.ckpt", "*.tiktoken")
CHARS_PER_S = 14.0  # of speech: what a second of encoding or decoding counts for
THREADS = 4


class FishSpeechReplica(Replica["FishSpeechEngine", "Synthesizer"]):
    """Speaks, and keeps the library of voices. Its threads read voices and references, and apply effects.

    ``classifier`` labels every text first: all of what is going to be spoken, and nothing else. What gets a label
    of ``refuse`` anywhere in it, with at least that probability, is not spoken.
    """

    def __init__(
        self,
        name: str,
        config: FishSpeechConfig,
        states: Any = None,
        classifier: Calls | None = None,
        refuse: Mapping[str, float] | None = None,
    ) -> None:
        self._config = config
        self._labels = None if classifier is None else TextLabels(classifier)
        self._refuse = dict(refuse or {})
        self._library = VoiceLibrary(config.voices)
        family = ModelFamily(MODEL_FILES, self._engine, self._synthesizer, lambda _: {})
        admission = Admission(config.queue_chars, config.queue_requests, usual_rate=CHARS_PER_S)
        super().__init__(name, config, family, states, admission, THREADS)

    async def speak(
        self, request: SpeechRequest, *references: NDArray[np.uint8]
    ) -> AsyncGenerator[list[SpeechEvent]]:
        """Events of one utterance, those of a chunk together. ``references`` are audio files.

        Raises Overloaded at once if the queue is full, and any error of the tree later on, most of them before the
        first event.
        """
        check_text_and_length(request.text, self._config.max_text_chars)
        with self._admission.admit(len(request.text)) as ticket:
            events = self._events(request, references, ticket)
            async with contextlib.aclosing(until(request.deadline, events)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def encode(self, on_demand: str | None, *audios: NDArray[np.uint8]) -> list[NDArray[np.int32]]:
        """Codes (codebooks, frames) of audio files, without a last frame that is not full."""
        with self._admission.admit(CHARS_PER_S * len(audios)):
            async with self._models.use(on_demand) as model:
                samples = [await self._help(model.engine.recordings.decoded, audio.tobytes()) for audio in audios]
                codes = [await model.scheduler.encode(one) for one in samples]
                full = model.engine.codec.full_frames
                return [row[:, : full(len(one))] for row, one in zip(codes, samples, strict=True)]

    async def decode(self, on_demand: str | None, *codes: NDArray[np.int32]) -> list[Decoded]:
        """The sound of codes (codebooks, frames)."""
        with self._admission.admit(CHARS_PER_S * len(codes)):
            async with self._models.use(on_demand) as model:
                checked = [model.engine.checked_codes(one) for one in codes]
                rate = model.engine.codec.sample_rate
                return [Decoded(rate, await model.scheduler.decode(one)) for one in checked]

    async def voices(self, _on_demand: str | None = None) -> list[Voice]:
        """The library."""
        return await self._help(self._library.list)

    async def voice(self, _on_demand: str | None, voice_id: str) -> Voice:
        """One voice. Raises VoiceNotFound."""
        return await self._help(self._library.get, voice_id)

    async def add_voice(self, on_demand: str | None, voice: NewVoice, *audios: NDArray[np.uint8]) -> Voice:
        """Keep a voice whose recordings the model can hear. Raises VoiceConflict, errors of the recordings."""
        recordings = paired(voice.texts, audios, "texts")
        with self._admission.admit(CHARS_PER_S * len(audios)):
            async with self._models.use(on_demand) as model:
                await self._help(model.engine.references, recordings)
            return await self._help(self._library.add, voice, audios)

    async def change_voice(self, _on_demand: str | None, voice_id: str, change: VoiceChange) -> Voice:
        """Rename or describe a voice. Raises VoiceNotFound, VoiceConflict."""
        return await self._help(self._library.change, voice_id, change)

    async def delete_voice(self, _on_demand: str | None, voice_id: str) -> None:
        """Remove a voice. Raises VoiceNotFound, VoiceConflict."""
        await self._help(self._library.delete, voice_id)

    async def _events(
        self, request: SpeechRequest, files: Sequence[NDArray[np.uint8]], ticket: Ticket
    ) -> AsyncGenerator[list[SpeechEvent]]:
        async with self._models.use(request.model) as model:
            script = await self._help(self._script, model, request)
            judgement = await self._judged(request, model.engine.clean(request.before), script)
            utterance = await self._utterance(model, request, script, files)
            rate = model.engine.codec.sample_rate
            with contextlib.closing(
                AudioEffects(
                    rate, output_rate=request.sample_rate, speed=request.speed, volume_db=request.volume_db
                )
            ) as effects:
                pieces = utterance.pieces
                tokens = sum(map(model.engine.prompts.text_tokens, pieces))
                started = Started(effects.output_rate, utterance.seed, len(pieces), tokens)
                if judgement is not None:
                    started = replace(started, classification=judgement.scores, judged_pieces=judgement.pieces)
                first: list[SpeechEvent] = [started]
                progress, sent = SpeechProgress(ticket, pieces, len(request.text)), 0
                async with contextlib.aclosing(model.scheduler.speak(utterance)) as sounds:
                    async for sound in with_pauses(sounds, script.pauses, rate * request.speed):
                        progress.add(sound)
                        samples = await self._help(effects.push, sound.samples)
                        if len(samples):
                            yield [*first, Audio(samples, sent)]
                            first, sent = [], sent + len(samples)
                samples = await self._help(effects.flush)
                if not sent and not len(samples):
                    raise InternalError("The model made no sound of this text. Try another seed or wording.")
                last: list[SpeechEvent] = [Audio(samples, sent)] if len(samples) else []
                yield [*first, *last, Finished(sent + len(samples), progress.frames, progress.cut)]

    def _script(self, model: Model, request: SpeechRequest) -> Script:
        """Blocks for as long as it takes to read the text. Raises InvalidRequest."""
        return script_of(
            request.text,
            model.engine.clean,
            sampling_of(request, self._config.sampling).chunk_length,
            text_format=request.text_format,
            numbers=request.normalize,
        )

    async def _utterance(
        self, model: Model, request: SpeechRequest, script: Script, files: Sequence[NDArray[np.uint8]]
    ) -> "Utterance":
        from deployments.fish_speech.synthesizer import Utterance  # the graph is built without PyTorch

        sampling = sampling_of(request, self._config.sampling)
        recordings = await self._help(voice_of, request, files, self._config, self._library.recordings)
        references = await self._help(model.engine.references, recordings) if recordings else ()
        seed = sampling.seed or 0
        return Utterance(script.pieces, references, sampling, seed, request.speaker, request.whole)

    async def _judged(self, request: SpeechRequest, before: str, script: Script) -> Judgement | None:
        """What the classifier finds in all that is spoken, if there is one. Raises ContentRefused."""
        if self._labels is None:
            return None
        async with within(request.deadline):
            judgement = await self._labels.judge(f"{before} {script.spoken}".strip(), request.deadline)
        for label, threshold in self._refuse.items():
            score = judgement.scores.get(label, 0.0)
            if score >= threshold:
                raise ContentRefused(
                    f"The text is not spoken: it was found to be {label} ({score:.2f}). Change the text.",
                    param="text",
                )
        if self._refuse and judgement.unread:
            raise ContentRefused(
                "The text is not spoken: the classifier cannot read all of it. Send shorter words.", param="text"
            )
        return judgement

    async def _help(self, work: Callable[..., Result], *args: Any) -> Result:
        """Blocking work on a thread beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)

    def _engine(self, folder: Path) -> "FishSpeechEngine":
        from deployments.fish_speech.engine import FishSpeechEngine

        return FishSpeechEngine(folder, self._config)

    def _synthesizer(self, engine: "FishSpeechEngine") -> "Synthesizer":
        from deployments.fish_speech.synthesizer import Synthesizer

        return Synthesizer(engine, self._config.engine)


@serve.deployment(max_surge_percent=100, health_check_timeout_s=30)
class FishSpeech(FishSpeechReplica):
    """``FishSpeechReplica`` as a deployment; its options come from the YAML's ``deployments:``."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self,
        name: str,
        config: FishSpeechConfig,
        states: Any = None,
        classifier: Handle | None = None,
        refuse: Mapping[str, float] | None = None,
        retries: int = 2,
    ) -> None:
        calls = None if classifier is None else Calls(classifier, classifier.deployment_name, retries)
        super().__init__(name, config, states, calls, refuse)
        await self._start_in_serve()
