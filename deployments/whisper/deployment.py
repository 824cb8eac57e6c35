"""The Ray Serve deployment of a Whisper model: admission, sources, events. Everything else is below it."""

import asyncio
import contextlib
import tempfile
import uuid
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from ray import serve

from deployments.admission import Admission, Ticket
from deployments.deadline import until
from deployments.errors import (
    AudioTooLong,
    FetchFailed,
    ForbiddenUrl,
    InvalidRequest,
    PayloadTooLarge,
    UndecodableAudio,
)
from deployments.model_pool import ModelPool
from deployments.model_state import ModelState
from deployments.model_store import fetch_model, hub_source
from deployments.states import StateReporter
from deployments.whisper.config import WhisperConfig
from deployments.whisper.engine import WhisperEngine
from deployments.whisper.scheduler import Scheduler
from deployments.whisper.transcriber import Transcriber
from deployments.whisper.types import Finished, Progress, TranscriptionEvent, TranscriptionRequest
from media.decode import AudioDecoder, BufferReader, RawPcm
from media.fetch import FetchPolicy, fetch

UNKNOWN_DURATION_S = 60.0  # cost of audio whose length its file does not tell, until it has been read
MODEL_FILES = ("config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*")


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """An engine with its scheduler."""

    engine: WhisperEngine
    scheduler: Scheduler


class WhisperReplica:
    """One replica: a bounded queue before one or more loaded models."""

    def __init__(self, name: str, config: WhisperConfig, fetching: FetchPolicy, states: Any = None) -> None:
        self._config, self._fetching = config, fetching
        self._admission = Admission(config.queue_audio_s, config.queue_requests)
        self._feeders = ThreadPoolExecutor(config.feeders, thread_name_prefix="feeder")
        self._pool: ModelPool[LoadedModel] = ModelPool(
            self._load, self._unload, max_loaded=config.max_loaded, idle_s=config.idle_unload_s
        )
        self._reporter = StateReporter(states, name, uuid.uuid4().hex, self._with_load)

    async def start(self) -> None:
        """Load the model unless it loads on demand. Raises ModelUnavailable."""
        self._loop = asyncio.get_running_loop()
        self._reporter.start()
        if self._config.load == "on_demand" or self._config.source is None:
            self._reporter.update(phase="idle")
            return
        try:
            async with self._pool.use(self._config.source):
                pass
        except Exception as error:
            self._reporter.update(phase="failed", detail=str(error))
            await asyncio.sleep(0.1)  # let the report leave before the replica does
            raise

    async def transcribe(
        self, request: TranscriptionRequest, audio: NDArray[np.uint8] | None = None
    ) -> AsyncGenerator[list[TranscriptionEvent]]:
        """Events of one transcription, one list per window, because every item costs half a millisecond.

        ``audio`` holds the file's bytes unless the request names a URL. Raises Overloaded at once if the queue
        is full, and any error of the tree later on.
        """
        parcel: list[TranscriptionEvent] = []
        with self._admission.admit(UNKNOWN_DURATION_S) as ticket, _blaming(request):
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
            decoder = await self._open(request, audio, stack)
            if decoder.info.duration_s is not None:
                ticket.resize(decoder.info.duration_s)
            model = await stack.enter_async_context(self._pool.use(self._source(request)))
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

    def _source(self, request: TranscriptionRequest) -> str:
        if self._config.source is not None:
            return self._config.source
        if request.model is None:
            raise InvalidRequest("Name the model to load.", param="model")
        return hub_source(request.model)

    def _with_defaults(self, request: TranscriptionRequest) -> TranscriptionRequest:
        """Decoding options that the client did not set come from the model's own defaults."""
        given = {name: getattr(request.decoding, name) for name in request.decoding.model_fields_set}
        return request.model_copy(update={"decoding": self._config.decoding.model_copy(update=given)})

    async def _open(
        self, request: TranscriptionRequest, audio: NDArray[np.uint8] | None, stack: contextlib.AsyncExitStack
    ) -> AudioDecoder:
        """A decoder of the request's audio, closed with the stack."""
        source: Any
        if request.url is not None:
            folder = await asyncio.to_thread(stack.enter_context, tempfile.TemporaryDirectory(prefix="audio-"))
            fetched = await fetch(request.url, Path(folder) / "audio", self._fetching)
            source = fetched.path
        elif audio is not None:
            source = BufferReader(audio)
        else:
            raise InvalidRequest("Send audio, as a file or as a URL.", param="file")
        decoder = await asyncio.get_running_loop().run_in_executor(
            self._feeders,
            lambda: AudioDecoder(
                source, max_duration_s=self._config.max_audio_s, raw=raw_format(request.content_type)
            ),
        )
        return stack.enter_context(decoder)

    async def _load(self, source: str) -> LoadedModel:
        self._reporter.update(phase="downloading", progress=None, detail=source)
        folder = await asyncio.to_thread(fetch_model, source, patterns=MODEL_FILES, on_progress=self._downloaded)
        self._reporter.update(phase="loading", progress=None)
        engine = await asyncio.to_thread(WhisperEngine, folder, self._config.engine)
        self._reporter.update(phase="warming_up")
        await asyncio.to_thread(engine.warm_up)
        settings = self._config.engine
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
        if not self._pool.loaded:
            self._reporter.update(phase="idle", progress=None)

    def _downloaded(self, progress: Any) -> None:
        """Called from the downloading thread."""
        self._loop.call_soon_threadsafe(lambda: self._reporter.update(progress=progress.fraction))

    def _with_load(self, state: ModelState) -> ModelState:
        return replace(state, queued_audio_s=self._admission.outstanding, active_requests=self._admission.requests)


@contextlib.contextmanager
def _blaming(request: TranscriptionRequest) -> Iterator[None]:
    """Errors of fetching and decoding name the field that the audio came in."""
    try:
        yield
    except (UndecodableAudio, AudioTooLong, PayloadTooLarge, ForbiddenUrl, FetchFailed) as error:
        error.param = "file" if request.url is None else "url"
        raise


def raw_format(content_type: str | None) -> RawPcm | None:
    """How to read headerless 16-bit PCM, if the content type says that it is; 16 kHz mono unless it says more."""
    kind, *parameters = (content_type or "").lower().split(";")
    if kind.strip() not in ("audio/pcm", "audio/raw", "audio/l16"):
        return None
    values = dict(_parameters(parameters))
    order: Literal["little", "big"] = "big" if kind.strip() == "audio/l16" else "little"  # RFC 3551
    try:
        return RawPcm(int(values.get("rate", 16_000)), int(values.get("channels", 1)), order)
    except ValueError as error:
        raise InvalidRequest(
            "The content type's rate and channels must be whole numbers.", param="file"
        ) from error


def _parameters(parts: list[str]) -> Iterator[tuple[str, str]]:
    for part in parts:
        name, _, value = part.partition("=")
        yield name.strip(), value.strip().strip('"')


@serve.deployment(max_surge_percent=100, health_check_timeout_s=30)
class Whisper(WhisperReplica):
    """``WhisperReplica`` as a deployment; its options come from the YAML's ``deployments:``."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, name: str, config: WhisperConfig, fetching: FetchPolicy, states: Any = None
    ) -> None:
        super().__init__(name, config, fetching, states)
        await self.start()

    async def check_health(self) -> None:
        """Called by Serve; an exception replaces the replica."""
        await self.check()
