"""The Ray Serve deployment of a Whisper model: admission, sources, events. Everything else is below it."""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray import serve

from deployments.admission import Admission, Ticket
from deployments.deadline import until
from deployments.errors import AntiphonError, InvalidRequest
from deployments.model_pool import ModelPool
from deployments.model_state import ModelState, Phase
from deployments.model_store import Progress as Downloaded
from deployments.model_store import fetch_model, hub_source
from deployments.states import StateReporter
from deployments.whisper.audio_source import AudioSources, blaming
from deployments.whisper.config import WhisperConfig
from deployments.whisper.engine import WhisperEngine
from deployments.whisper.priority import step_back
from deployments.whisper.scheduler import Scheduler
from deployments.whisper.transcriber import Transcriber
from deployments.whisper.types import Finished, Progress, TranscriptionEvent, TranscriptionRequest
from media.fetch import FetchPolicy

UNKNOWN_DURATION_S = 60.0  # what a request is taken to cost until its file tells, or more has been decoded
MODEL_FILES = ("config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*")


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """An engine with its scheduler."""

    engine: WhisperEngine
    scheduler: Scheduler


class WhisperReplica:
    """One replica: a bounded queue before one or more loaded models."""

    def __init__(self, name: str, config: WhisperConfig, fetching: FetchPolicy, states: Any = None) -> None:
        self._config = config
        self._admission = Admission(config.queue_audio_s, config.queue_requests)
        self._feeders = ThreadPoolExecutor(config.feeders, "feeder", initializer=step_back)
        self._sources = AudioSources(fetching, config.downloads, self._feeders, config.max_audio_s)
        self._pool: ModelPool[LoadedModel] = ModelPool(
            self._load, self._unload, max_loaded=config.max_loaded, idle_s=config.idle_unload_s
        )
        self._serving = False
        self._reporter = StateReporter(states, name, uuid.uuid4().hex, self._with_load)

    async def start(self) -> None:
        """Load the model unless it loads on demand. Raises ModelUnavailable."""
        self._loop = asyncio.get_running_loop()
        self._reporter.start()
        if self._config.load == "on_demand" or self._config.source is None:
            self._serving = True
            self._reporter.update(phase="idle")
            return
        try:
            async with self._pool.use(self._source(None)):
                pass
        except Exception:  # its message may name folders and buckets, which probes have no key for
            self._reporter.update(phase="failed", detail="The model could not be loaded; the log says why.")
            await asyncio.sleep(0.1)  # let the report leave before the replica does
            raise
        self._serving = True

    async def transcribe(
        self, request: TranscriptionRequest, audio: NDArray[np.uint8] | None = None
    ) -> AsyncGenerator[list[TranscriptionEvent]]:
        """Events of one transcription, one list per window, because every item costs half a millisecond.

        ``audio`` holds the file's bytes unless the request names a URL. Raises Overloaded at once if the queue
        is full, and any error of the tree later on.
        """
        parcel: list[TranscriptionEvent] = []
        with self._admission.admit(UNKNOWN_DURATION_S) as ticket, blaming(request):
            async with contextlib.aclosing(
                until(request.deadline, self._events(request, audio, ticket))
            ) as events:
                async for event in events:
                    parcel.append(event)
                    if isinstance(event, Progress | Finished):
                        yield parcel
                        parcel = []

    async def _events(
        self, request: TranscriptionRequest, audio: NDArray[np.uint8] | None, ticket: Ticket
    ) -> AsyncGenerator[TranscriptionEvent]:
        async with contextlib.AsyncExitStack() as stack:
            decoder = await self._sources.open(request, audio, stack)
            if decoder.info.duration_s is not None:
                ticket.resize(decoder.info.duration_s)
            model = await stack.enter_async_context(self._pool.use(self._source(request.model)))
            transcriber = Transcriber(
                model.engine, model.scheduler, self._feeders, windows_ahead=self._config.windows_per_request
            )
            events = transcriber.transcribe(self._with_defaults(request), decoder)
            async with contextlib.aclosing(events):
                async for event in events:
                    if isinstance(event, Progress):
                        ticket.advance(event.processed)
                    yield event

    async def check(self) -> None:
        """Raise RuntimeError if a loaded model no longer works its queue off."""
        for model in self._pool.loaded.values():
            model.scheduler.check()

    async def close(self) -> None:
        """Unload everything."""
        self._reporter.stop()
        await self._pool.close()
        self._feeders.shutdown(wait=False, cancel_futures=True)

    def _source(self, name: str | None) -> str:
        if self._config.source is not None:
            return self._config.source
        if name is None:
            raise InvalidRequest("Name the model to load.", param="model")
        return hub_source(name)

    def _with_defaults(self, request: TranscriptionRequest) -> TranscriptionRequest:
        """Decoding options that the client did not set come from the model's own defaults."""
        given = {name: getattr(request.decoding, name) for name in request.decoding.model_fields_set}
        return request.model_copy(update={"decoding": self._config.decoding.model_copy(update=given)})

    async def _load(self, source: str) -> LoadedModel:
        try:
            self._say("downloading")
            folder = await asyncio.to_thread(
                fetch_model, source, patterns=MODEL_FILES, on_progress=self._downloaded
            )
            self._say("loading")
            settings = self._config.engine
            loader = ThreadPoolExecutor(1, "loader", initializer=step_back)  # the engine's threads inherit it
            try:
                engine = await self._loop.run_in_executor(loader, WhisperEngine, folder, settings)
            finally:
                loader.shutdown(wait=False)
            self._say("warming_up")
            await asyncio.to_thread(engine.warm_up)
        except BaseException:
            self._settle()
            raise
        scheduler = Scheduler(
            engine,
            workers=settings.workers,
            max_batch=settings.max_batch_windows,
            max_wait_s=settings.max_wait_ms / 1000,
        )
        self._reporter.update(phase="ready", progress=1.0, detail="", languages=engine.languages)
        return LoadedModel(engine, scheduler)

    async def _unload(self, model: LoadedModel) -> None:
        await model.scheduler.close()
        await asyncio.to_thread(model.engine.close)
        self._settle()

    def _say(self, phase: Phase, progress: float | None = None) -> None:
        """Report what a load is doing; once requests are served, which a load for one of them does not stop, only
        as a detail.
        """
        if self._serving:
            self._reporter.update(detail=phase, progress=progress)
        else:
            self._reporter.update(phase=phase, progress=progress)

    def _settle(self) -> None:
        """Report what is left after a load has failed or a model has gone."""
        if self._serving:
            self._reporter.update(phase="ready" if self._pool.loaded else "idle", detail="", progress=None)

    def _downloaded(self, progress: Downloaded) -> None:
        """Called from the downloading thread."""
        self._loop.call_soon_threadsafe(self._say, "downloading", progress.fraction)

    def _with_load(self, state: ModelState) -> ModelState:
        return replace(state, queued_audio_s=self._admission.outstanding, active_requests=self._admission.requests)


def without_client_tracebacks(record: logging.LogRecord) -> bool:
    """A log filter: Serve writes a traceback for every exception; a client's mistake or a 429 is no news."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, AntiphonError) and error.status < 500:
        record.exc_info = record.exc_text = None
        record.msg, record.args = f"{record.getMessage()} {error.code}: {error.message}", ()
    return True


@serve.deployment(max_surge_percent=100, health_check_timeout_s=30)
class Whisper(WhisperReplica):
    """``WhisperReplica`` as a deployment; its options come from the YAML's ``deployments:``."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, name: str, config: WhisperConfig, fetching: FetchPolicy, states: Any = None
    ) -> None:
        super().__init__(name, config, fetching, states)
        logging.getLogger("ray.serve").addFilter(without_client_tracebacks)
        await self.start()

    async def check_health(self) -> None:
        """Called by Serve; an exception replaces the replica."""
        await self.check()
