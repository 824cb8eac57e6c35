"""The Ray Serve deployment of a Whisper model: admission, sources, events. Everything else is below it."""

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray import serve

from deployments.admission import Admission, Ticket
from deployments.batching.scheduler import Scheduler
from deployments.calls import Calls
from deployments.deadline import until
from deployments.handle import Handle
from deployments.model_host import ModelFamily
from deployments.replica import Replica
from deployments.whisper.annotation import SegmentClassifier
from deployments.whisper.audio_source import AudioSources, blaming
from deployments.whisper.channels import transcribe_channels
from deployments.whisper.config import WhisperConfig
from deployments.whisper.cuts.clips import too_long, totals
from deployments.whisper.engine import WhisperEngine
from deployments.whisper.transcriber import Transcriber
from deployments.whisper.types import Finished, Progress, Started, TranscriptionEvent, TranscriptionRequest
from media.decode import PADDING_S
from media.fetch import FetchPolicy

UNKNOWN_DURATION_S = 60.0  # what a request is taken to cost until its file tells, or more has been decoded
MODEL_FILES = ("config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*")


class WhisperReplica(Replica[WhisperEngine, Scheduler]):
    """Transcribes. Its threads read audio and look for speech in it."""

    def __init__(
        self,
        name: str,
        config: WhisperConfig,
        fetching: FetchPolicy,
        states: Any = None,
        classifier: Calls | None = None,
    ) -> None:
        self._config = config
        self._classifier = None if classifier is None else SegmentClassifier(classifier)
        family = ModelFamily(
            MODEL_FILES, self._engine, self._scheduler, lambda engine: {"languages": engine.languages}
        )
        admission = Admission(config.queue_audio_s, config.queue_requests)
        super().__init__(name, config, family, states, admission, config.feeders)
        self._sources = AudioSources(fetching, config.downloads, self._threads, config.max_audio_s)

    async def transcribe(
        self, request: TranscriptionRequest, audio: NDArray[np.uint8] | None = None
    ) -> AsyncGenerator[list[TranscriptionEvent]]:
        """Events of one transcription, one list per window, because every item costs half a millisecond.

        ``audio`` holds the file's bytes unless the request names a URL. Raises Overloaded at once if the queue
        is full, and any error of the tree later on.
        """
        window: list[TranscriptionEvent] = []
        with self._admission.admit(UNKNOWN_DURATION_S) as ticket, blaming(request):
            async with contextlib.aclosing(
                until(request.deadline, self._events(request, audio, ticket))
            ) as events:
                async for event in events:
                    window.append(event)
                    if isinstance(event, Progress | Finished):
                        yield await self._annotated(window, request)
                        window = []

    async def _events(
        self, request: TranscriptionRequest, audio: NDArray[np.uint8] | None, ticket: Ticket
    ) -> AsyncGenerator[TranscriptionEvent]:
        async with contextlib.AsyncExitStack() as stack:
            heard = await self._sources.open(request, audio, stack)
            channels = len(heard.decoders)
            if heard.duration_s is not None:
                ticket.resize(self._cost(request, heard.duration_s, channels))
            model = await stack.enter_async_context(self._models.use(request.model))
            transcriber = Transcriber(
                model.engine,
                model.scheduler,
                self._threads,
                windows_ahead=max(1, self._config.windows_per_request // channels),
                max_audio_s=self._config.max_audio_s / channels,
            )
            events = transcribe_channels(transcriber, self._with_defaults(request), heard.decoders)
            async with contextlib.aclosing(events):
                async for event in events:
                    if isinstance(event, Progress):
                        ticket.advance(sum(event.by_channel.values()) or event.processed)
                    yield replace(event, track=heard.track) if isinstance(event, Started | Finished) else event

    def _cost(self, request: TranscriptionRequest, duration_s: float, channels: int) -> float:
        """Seconds of audio of all channels, some perhaps heard more than once. Raises AudioTooLong if clips ask
        for too much.
        """
        clips, limit_s = totals(request.clips, duration_s), self._config.max_audio_s / channels
        if clips.asked > limit_s + PADDING_S:
            raise too_long(limit_s)
        return channels * (duration_s + clips.repeated)

    async def _annotated(
        self, events: list[TranscriptionEvent], request: TranscriptionRequest
    ) -> list[TranscriptionEvent]:
        return events if self._classifier is None else await self._classifier.annotate(events, request.deadline)

    def _with_defaults(self, request: TranscriptionRequest) -> TranscriptionRequest:
        """Decoding options that the client did not set come from the model's own defaults."""
        given = {name: getattr(request.decoding, name) for name in request.decoding.model_fields_set}
        return request.model_copy(update={"decoding": self._config.decoding.model_copy(update=given)})

    def _engine(self, folder: Path) -> WhisperEngine:
        return WhisperEngine(folder, self._config.engine)

    def _scheduler(self, engine: WhisperEngine) -> Scheduler:
        settings = self._config.engine
        return Scheduler(
            engine,
            workers=settings.workers,
            max_batch=settings.max_batch_windows,
            max_wait_s=settings.max_wait_ms / 1000,
        )


@serve.deployment(max_surge_percent=100, health_check_timeout_s=30)
class Whisper(WhisperReplica):
    """``WhisperReplica`` as a deployment; its options come from the YAML's ``deployments:``."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self,
        name: str,
        config: WhisperConfig,
        fetching: FetchPolicy,
        states: Any = None,
        classifier: Handle | None = None,
        retries: int = 2,
    ) -> None:
        calls = None if classifier is None else Calls(classifier, classifier.deployment_name, retries)
        super().__init__(name, config, fetching, states, calls)
        await self._start_in_serve()
