"""Our own engine without Ray or HTTP, for the difference that the server makes."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from deployments.batching.scheduler import Scheduler
from deployments.whisper.config import WhisperEngineConfig
from deployments.whisper.engine import WhisperEngine
from deployments.whisper.transcriber import Transcriber
from deployments.whisper.types import DecodingOptions, TranscriptionRequest, collect
from media.decode import AudioDecoder, BufferReader


class Engine:
    """Call it with a file's bytes; it returns when they are transcribed."""

    def __init__(self, model: Path, compute_type: str) -> None:
        config = WhisperEngineConfig.model_validate(
            {"device": "cpu", "compute_type": compute_type, "workers": 2, "threads": 1}
        )
        self._engine = WhisperEngine(model, config)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._feeders = ThreadPoolExecutor(4)
        self._request = TranscriptionRequest(language="en", decoding=DecodingOptions(beam_size=5))

    def __enter__(self) -> Self:
        self._thread.start()
        self._scheduler = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    async def _start(self) -> Scheduler:
        return Scheduler(self._engine, workers=2, max_batch=1, max_wait_s=0)

    def __call__(self, data: bytes) -> str:
        return asyncio.run_coroutine_threadsafe(self._transcribe(data), self._loop).result()

    async def _transcribe(self, data: bytes) -> str:
        transcriber = Transcriber(self._engine, self._scheduler, self._feeders)
        with AudioDecoder(BufferReader(np.frombuffer(data, np.uint8))) as audio:
            transcript = await collect("transcribe", transcriber.transcribe(self._request, audio))
        return transcript.text

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._scheduler.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._feeders.shutdown()
        self._loop.close()
