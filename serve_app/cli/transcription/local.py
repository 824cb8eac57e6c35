"""Transcription in this process, with the parser, gateway and formats of a server."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

from deployments.whisper.types import Finished, Progress, Segment, Task, Transcript
from serve_app.cli.local import LocalClient, ModelKind
from serve_app.cli.servers import ModelOptions
from serve_app.cli.transcription.inputs import AudioInput
from serve_app.cli.transcription.progress import ProgressBar
from serve_app.cli.transcription.results import GrowingTranscript
from serve_app.config.models import WhisperEntry
from serve_app.fields.audio import Upload, file_upload
from serve_app.tasks.transcription import formats
from serve_app.tasks.transcription.parse import Output, parse_form

NO_LIMIT = {"queue_audio_s": 1e9, "queue_requests": 1_000_000}
COPIED_BYTES = 1024**2  # a larger file is mapped
WHISPER = ModelKind(WhisperEntry, "whisper", NO_LIMIT)


class LocalTranscriber(LocalClient):
    """Asks one model for transcripts."""

    def __init__(self, options: ModelOptions, bar: ProgressBar) -> None:
        super().__init__(WHISPER, options, bar)
        self._bar = bar

    async def transcribe(
        self, index: int, audio: AudioInput, task: Task, fields: Mapping[str, str], transcript: GrowingTranscript
    ) -> None:
        """Fill the transcript. Raises AntiphonError with a sentence."""
        texts = [*fields.items(), ("response_format", transcript.kind)]
        if audio.path is None:
            parsed, upload = parse_form([*texts, ("url", audio.url or "")], task, files=0), None
        else:
            parsed = parse_form(texts, task, files=1).with_file(audio.path.name, None)
            upload = await asyncio.to_thread(_upload_of, audio.path)
        request = parsed.request.model_copy(update={"model": self.model})
        async with aclosing(self.gateway.transcribe(request, upload)) as events:
            async for event in events:
                match event:
                    case Segment():
                        transcript.add(event)
                    case Progress():
                        self._bar.update(index, event.processed, event.total)
                    case Finished():
                        transcript.document = _document(task, event, transcript, parsed.output)


def _upload_of(path: Path) -> Upload:
    """The bytes of a file. Raises InvalidRequest for an empty one."""
    with path.open("rb") as file:
        return file_upload(file, os.fstat(file.fileno()).st_size, COPIED_BYTES)


def _document(task: Task, end: Finished, grown: GrowingTranscript, output: Output) -> dict[str, Any] | None:
    transcript = Transcript(
        task,
        end.language,
        end.language_probability,
        end.duration,
        end.speech_duration,
        tuple(grown.segments),
        end.track,
    )
    match grown.kind:
        case "json":
            return formats.as_json(transcript, logprobs=output.logprobs)
        case "verbose_json":
            return formats.as_verbose_json(transcript, segments=output.segments, words=output.words)
    return None
