"""One request's path through a loaded model: audio blocks in, transcription events out.

Spans of speech are decoded side by side with those of all other requests; their segments leave in order.
Reading, speech detection and mel spectrograms run on reader threads, a bounded number of windows ahead.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, Hashable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

from deployments.batching.scheduler import Scheduler
from deployments.errors import InvalidRequest
from deployments.whisper.cuts.audio_buffer import AudioBuffer
from deployments.whisper.cuts.clips import ClipPart, in_asked_order, totals
from deployments.whisper.cuts.spans import spans
from deployments.whisper.decoding import Context, SpanDecoder
from deployments.whisper.engine import WhisperEngine
from deployments.whisper.engine_jobs import Detect, EngineJob
from deployments.whisper.prefetch import Offload, PlannedSpan, Prefetch
from deployments.whisper.types import (
    Finished,
    Progress,
    Segment,
    Started,
    TranscriptionEvent,
    TranscriptionRequest,
)
from media.decode import SAMPLE_RATE, AudioDecoder

Decoded = tuple[ClipPart | None, tuple[list[Segment], float]]  # segments of a window, and where it ended


@dataclass(frozen=True, slots=True)
class LanguageChoice:
    """A language code and how probable it is."""

    code: str
    probability: float


class Transcriber:
    """Transcribes one request at a time per call of ``transcribe``; calls may overlap."""

    def __init__(
        self,
        engine: WhisperEngine,
        scheduler: Scheduler,
        readers: Executor,
        *,
        windows_ahead: int = 8,
        max_audio_s: float = math.inf,
    ) -> None:
        """``max_audio_s`` bounds clips that overlap; the decoder of the audio bounds everything else."""
        self._engine, self._scheduler, self._readers = engine, scheduler, readers
        self._windows_ahead, self._max_audio_s = windows_ahead, max_audio_s

    @contextlib.contextmanager
    def share(self) -> Iterator[Hashable]:
        """One request's share of the batches, for several calls of ``transcribe``."""
        owner = object()
        with self._scheduler.request(owner):
            yield owner

    async def transcribe(
        self, request: TranscriptionRequest, audio: AudioDecoder, share: Hashable | None = None
    ) -> AsyncGenerator[TranscriptionEvent]:
        """Events of one transcription, in a ``share`` of its own by default. Raises InvalidRequest,
        UndecodableAudio, AudioTooLong, InternalError.

        Closing the iterator withdraws the windows that still wait. ``audio`` stays the caller's to close.
        """
        self._check(request)

        async def run(job: EngineJob) -> Any:
            return await self._scheduler.run(owner, job)

        buffer, offload = AudioBuffer(audio), Offload(self._readers)
        cut = spans(buffer, self._engine.window_samples, request.vad, request.clips, self._max_audio_s)
        source = Prefetch(cut, offload)
        packed = request.vad is not None or bool(request.clips)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(offload.settle)
            owner = stack.enter_context(self.share()) if share is None else share
            language = await self._language(request, source, run)
            yield Started(language.code, language.probability, audio.info.duration_s)
            # Into English is where translation leads: a model that hears nothing else just transcribes.
            task = "transcribe" if self._engine.languages == ("en",) else request.task
            decoder = SpanDecoder(
                self._engine, request.decoding, task, language.code, run, offload, request.languages
            )
            together = packed and not request.decoding.condition_on_previous_text
            decoded = (self._side_by_side if together else self._one_by_one)(source, decoder)
            total = audio.info.duration_s
            if total is not None:
                total += totals(request.clips, total).repeated
            count, done = 0, 0.0
            async with contextlib.aclosing(in_asked_order(decoded, request.clips)) as windows:
                async for (segments, end), offset in windows:
                    for segment in segments:
                        position = segment.start + offset if offset else None
                        yield replace(segment, id=count, position=position)
                        count += 1
                    done = max(done, min(end, buffer.end / SAMPLE_RATE) + offset)
                    yield Progress(done, total)
            duration = max(buffer.end / SAMPLE_RATE, (audio.info.duration_s or 0.0) if request.clips else 0.0)
            speech = source.packed_samples / SAMPLE_RATE if packed else duration
            yield Finished(language.code, language.probability, round(duration, 3), round(speech, 3))

    def _check(self, request: TranscriptionRequest) -> None:
        known, decoding = self._engine.languages, request.decoding
        if decoding.language_detection_segments > 1 and request.vad is None and not request.clips:
            raise InvalidRequest(
                "language_detection_segments needs voice activity detection (vad_filter) or clips; without them "
                "the language is that of the first window.",
                param="language_detection_segments",
            )
        for field, codes in (("language", [request.language]), ("languages", request.languages)):
            for code in codes:
                if code is not None and code not in known:
                    raise InvalidRequest(
                        f"This model does not know the language {code!r}. It knows: {', '.join(known)}.",
                        param=field,
                    )

    async def _language(self, request: TranscriptionRequest, source: Prefetch, run: Any) -> LanguageChoice:
        """The requested language, or the most probable one of the first windows."""
        candidates = request.languages or self._engine.languages
        if request.language is not None:
            return LanguageChoice(request.language, 1.0)
        if not self._engine.multilingual or len(candidates) == 1:
            return LanguageChoice(candidates[0], 1.0)
        votes: dict[str, list[float]] = {}
        for index in range(request.decoding.language_detection_segments):
            window = await source.peek_window(index, self._engine)
            if window is None:
                break
            probabilities: dict[str, float] = await run(Detect(window))
            code = max(candidates, key=lambda c: probabilities.get(c, 0.0))
            if probabilities.get(code, 0.0) > request.decoding.language_detection_threshold:
                return LanguageChoice(code, probabilities[code])
            votes.setdefault(code, []).append(probabilities.get(code, 0.0))
        if not votes:
            return LanguageChoice("en" if "en" in candidates else candidates[0], 0.0)
        code = max(votes, key=lambda c: len(votes[c]))
        return LanguageChoice(code, max(votes[code]))

    async def _one_by_one(self, source: Prefetch, decoder: SpanDecoder) -> AsyncGenerator[Decoded]:
        """Windows in order, each decoded after the one before of the same audio."""
        contexts: dict[int | None, Context] = {}  # by clip, of those that overlap others
        while (item := await source.next()) is not None:
            part = item.span.part
            clip = None if part is None else part.clip
            if clip not in contexts:
                contexts[clip] = decoder.first_context()
            async for window in decoder.decode(item.span, contexts[clip], item.window, opening=item.opening):
                yield part, window
            if part is not None and part.last:
                del contexts[clip]

    async def _side_by_side(self, source: Prefetch, decoder: SpanDecoder) -> AsyncGenerator[Decoded]:
        """Windows in order, of spans that are decoded at the same time."""

        async def one(item: PlannedSpan) -> list[Decoded]:
            context = decoder.first_context()
            windows = decoder.decode(item.span, context, item.window, opening=item.opening)
            return [(item.span.part, window) async for window in windows]

        places = asyncio.Semaphore(self._windows_ahead)
        tasks: asyncio.Queue[asyncio.Task[list[Decoded]] | BaseException | None] = asyncio.Queue()
        started: set[asyncio.Task[Any]] = set()

        def ended(task: asyncio.Task[Any]) -> None:
            started.discard(task)
            if not task.cancelled():
                task.exception()  # the first one is raised where it is awaited; the others are its echo

        async def produce() -> None:
            try:
                await places.acquire()
                while (item := await source.next()) is not None:
                    task = asyncio.create_task(one(item))
                    started.add(task)
                    task.add_done_callback(ended)
                    tasks.put_nowait(task)
                    await places.acquire()
                tasks.put_nowait(None)
            except BaseException as error:
                tasks.put_nowait(error)
                raise

        producer = asyncio.create_task(produce())
        try:
            while (task := await tasks.get()) is not None:
                if isinstance(task, BaseException):
                    raise task
                for decoded in await task:
                    yield decoded
                places.release()
        finally:
            pending = [producer, *started]
            for waiting in pending:
                waiting.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
