"""What the transcription tests share besides fixtures."""

import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from deployments.batching.scheduler import Scheduler
from deployments.whisper.engine import WhisperEngine
from deployments.whisper.transcriber import Transcriber
from deployments.whisper.types import Transcript, TranscriptionRequest, collect
from media.decode import AudioDecoder

SAMPLES = Path(__file__).parents[3] / "samples" / "asr"
SINGLE = [f"utt{i:02d}.wav" for i in range(1, 10)]
LONG = ["utt10_long.wav", "utt11_long.wav", "utt12_long.wav"]


@contextlib.asynccontextmanager
async def transcriber(engine: WhisperEngine, **options: Any) -> AsyncIterator[Transcriber]:
    """A transcriber with its own scheduler and reader threads."""
    scheduler = Scheduler(engine, **{"workers": 2, "max_batch": 8, "max_wait_s": 0.005, **options})
    with ThreadPoolExecutor(4) as readers:
        yield Transcriber(engine, scheduler, readers)
        await scheduler.close()


async def transcribe_file(transcriber: Transcriber, path: Path, request: TranscriptionRequest) -> Transcript:
    """All of a file's transcription."""
    with AudioDecoder(path) as audio:
        return await collect(request.task, transcriber.transcribe(request, audio))
