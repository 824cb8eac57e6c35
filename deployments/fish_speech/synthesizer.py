"""One request's path: its text in segments, each with those before it as its past; frames to sound in chunks."""

import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.batching.scheduler import Scheduler
from deployments.fish_speech.config import SpeechEngineConfig
from deployments.fish_speech.engine import DecodeJob, EncodedReference, EncodeJob, FishSpeechEngine
from deployments.fish_speech.language_model.batcher import Columns, End, SpeechSegment
from deployments.fish_speech.language_model.scheduler import FrameScheduler
from deployments.fish_speech.segments import next_segment
from deployments.fish_speech.types import SamplingOptions

UNKNOWN_TEXT = "-"  # stands for the words behind codes that come alone
TAKES = 2  # that a segment has at most
GPU_CHUNKS = 8  # chunks of sound made at once; on a CPU one, so that no request's sound depends on others


@dataclass(frozen=True, slots=True)
class Sound:
    """The next samples of an utterance: float32 of shape (any,), made of ``frames`` frames of segment ``segment``.

    ``end`` is set on a segment's last ones.
    """

    samples: NDArray[np.float32]
    frames: int
    segment: int
    end: End = ""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What is to be said: ``pieces`` of cleaned text, in the voice of ``references``, by a ``speaker`` of 1.1.

    Of a ``whole`` utterance nobody hears a segment before its end.
    """

    pieces: tuple[str, ...]
    references: tuple[EncodedReference, ...]
    sampling: SamplingOptions
    seed: int
    speaker: str | None = None
    whole: bool = False


class Synthesizer:
    """Speaks utterances on one engine, many at a time. ``close`` before the event loop ends."""

    def __init__(self, engine: FishSpeechEngine, settings: SpeechEngineConfig) -> None:
        self._engine, self._settings = engine, settings
        self._frames = FrameScheduler(engine.frames)
        workers, batch = (1, GPU_CHUNKS) if engine.on_gpu else (settings.codec_workers, 1)
        self._codec = Scheduler(engine, workers=workers, max_batch=batch, max_wait_s=0)

    async def speak(self, utterance: Utterance) -> AsyncGenerator[Sound]:
        """The sound of all segments, as it is made. The same utterance gives the same sound, in float32 whatever
        else is spoken at the same time.

        A segment that goes astray, which shows when it takes more frames than its text can, ends there. If nothing
        of it has been given away yet, it is tried once more with other draws; so are all segments of a ``whole``
        utterance. What went astray is no part of the past that later segments see.

        Closing it stops the work. Raises InvalidRequest for what does not fit into the context, InternalError.
        """
        opening = self._engine.prompts.opening([(one.text, one.codes) for one in utterance.references])
        past: list[Columns] = []
        for number in range(len(utterance.pieces)):
            async with contextlib.aclosing(self._spoken(utterance, number, opening, past)) as sounds:
                async for sound in sounds:
                    yield sound

    async def encode(self, audio: NDArray[np.float32]) -> NDArray[np.int32]:
        """Codes (codebooks, frames) of float32 samples at the codec's rate."""
        owner = object()
        with self._codec.request(owner):
            codes: NDArray[np.int32] = await self._codec.run(owner, EncodeJob(audio))
            return codes

    async def decode(self, codes: NDArray[np.int32]) -> NDArray[np.float32]:
        """The sound of codes (codebooks, frames), which did not come out of this model's frames."""
        owner = object()
        with self._codec.request(owner):
            job = DecodeJob(codes, self._engine.condition(0, UNKNOWN_TEXT, ()))
            samples: NDArray[np.float32] = await self._codec.run(owner, job)
            return samples

    @property
    def live(self) -> int:
        """Segments that are spoken at the moment."""
        return self._frames.live

    def check(self) -> None:
        """Raise RuntimeError if frames or sound are no longer made."""
        self._frames.check()
        self._codec.check()

    async def close(self) -> None:
        """Stop after what is being computed."""
        await self._frames.close()
        await self._codec.close()

    async def _spoken(
        self, utterance: Utterance, number: int, opening: Columns, past: list[Columns]
    ) -> AsyncGenerator[Sound]:
        """The sound of one segment, which is added to ``past``."""
        prompts, piece = self._engine.prompts, utterance.pieces[number]
        asked = prompts.segment(piece, utterance.speaker)
        longest = self._engine.most_frames(piece)
        takes = TAKES if utterance.sampling.temperature else 1  # there are no other draws at 0
        for take in range(takes):
            segment = self._segment(utterance, number, take, opening, [*past, asked], longest)
            said: list[Columns] = []
            held: list[Sound] = []
            given = astray = False
            async with contextlib.aclosing(self._sound(utterance, segment, number, said)) as sounds:
                async for sound in sounds:
                    held.append(sound)
                    astray = sound.end == "cut" and segment.most_frames == longest
                    if (utterance.whole and not sound.end) or (astray and not given and take + 1 < takes):
                        continue
                    for one in held:
                        yield one
                    held, given = [], True
            if given:
                if not astray:
                    past += [asked, prompts.past(np.concatenate(said, axis=1))]
                return

    def _segment(
        self, utterance: Utterance, number: int, take: int, opening: Columns, past: Sequence[Columns], longest: int
    ) -> SpeechSegment:
        first, chunk = self._settings.first_chunk_frames, self._settings.chunk_frames
        if self._engine.codec.left_context is None:
            first = chunk = 0
        elif number:
            first = chunk
        return next_segment(
            opening,
            past,
            context=self._engine.context,
            number=number,
            seed=utterance.seed,
            sampling=utterance.sampling,
            take=take,
            history=self._engine.limits.history,
            voice_is_set=bool(utterance.references or utterance.speaker),
            most_frames=longest,
            first_chunk=min(first, chunk),
            chunk=chunk,
        )

    async def _sound(
        self, utterance: Utterance, segment: SpeechSegment, number: int, said: list[Columns]
    ) -> AsyncGenerator[Sound]:
        """The sound of one take of a segment; what the model has said is left in ``said``."""
        engine, owner = self._engine, object()
        piece = utterance.pieces[number]
        condition = engine.condition((utterance.seed + number) % 2**63, piece, utterance.references)
        context = engine.codec.left_context or 0
        codes = np.zeros((engine.codec.codebooks, 0), np.int32)  # of the segment so far
        with self._codec.request(owner):
            async with contextlib.aclosing(self._frames.run(segment)) as chunks:
                async for chunk in chunks:
                    said.append(chunk.columns)
                    new = engine.codes(chunk, first=len(said) == 1)
                    known = codes[:, max(0, codes.shape[1] - context) :]
                    codes = np.concatenate([codes, new], axis=1)
                    samples = np.zeros(0, np.float32)
                    if new.shape[1]:
                        window = np.concatenate([known, new], axis=1)
                        job = DecodeJob(window, condition, context=known.shape[1])
                        samples = await self._codec.run(owner, job)
                    yield Sound(samples, new.shape[1], number, chunk.end)
