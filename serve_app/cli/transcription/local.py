"""Transcription by this process itself, through the same form, engine and formats as on a server."""

from collections.abc import Mapping
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from deployments.calls import Calls
from deployments.errors import InvalidRequest
from deployments.whisper.config import WhisperConfig
from deployments.whisper.deployment import WhisperReplica
from deployments.whisper.types import Finished, Progress, Segment, Task, Transcript
from media.fetch import FetchPolicy
from serve_app.cli import local as _in_process
from serve_app.cli.local import Choice, Kind, LocalModel, board
from serve_app.cli.transcription.inputs import AudioInput
from serve_app.cli.transcription.progress import ProgressBar
from serve_app.cli.transcription.results import GrowingTranscript
from serve_app.config.app import FetchConfig
from serve_app.config.models import TextClassificationEntry, WhisperEntry
from serve_app.tasks.transcription import formats as transcripts
from serve_app.tasks.transcription.parse import Output, parse_form

if TYPE_CHECKING:
    from deployments.text_classification.deployment import TextClassificationReplica

NO_LIMIT = {"queue_audio_s": 1e9, "queue_requests": 1_000_000}
WHISPER = Kind("transcription", WhisperConfig, NO_LIMIT)


def choose(model: str | None, config: Path | None) -> Choice[WhisperConfig]:
    """The model for ``--model``. Raises ModelNotFound, InvalidRequest, ConfigProblems."""
    return _in_process.choose(WHISPER, model, config)


class LocalTranscriber(LocalModel[WhisperReplica]):
    """One model and its classifier, if it has one, loaded on entering and unloaded on leaving."""

    def __init__(self, choice: Choice[WhisperConfig], bar: ProgressBar) -> None:
        self._classifier = _classifier(choice)
        fetching = FetchPolicy(**(choice.app.fetch if choice.app else FetchConfig()).model_dump())
        calls = None if self._classifier is None else _calls(self._classifier)
        super().__init__(WhisperReplica(choice.name, choice.config, fetching, board(bar), calls))
        self._choice, self._bar = choice, bar

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            if self._classifier is not None:
                await stack.enter_async_context(LocalModel(self._classifier))
            await stack.enter_async_context(LocalModel(self._replica))
            self._loaded = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._loaded.aclose()

    async def transcribe(
        self, index: int, audio: AudioInput, task: Task, fields: Mapping[str, str], transcript: GrowingTranscript
    ) -> None:
        """Fill the transcript. Raises AntiphonError with a sentence."""
        texts = [*fields.items(), ("response_format", transcript.kind)]
        if audio.path is None:
            parsed, data = parse_form([*texts, ("url", audio.url or "")], task, audio=False), None
        else:
            parsed = parse_form(texts, task, audio=True).with_file(audio.path.name, None)
            data = _bytes_of(audio.path)
        request = parsed.request.model_copy(update={"model": self._choice.on_demand})
        async with aclosing(self._replica.transcribe(request, data)) as parcels:
            async for event in (event async for parcel in parcels for event in parcel):
                match event:
                    case Segment():
                        transcript.add(event)
                    case Progress():
                        self._bar.update(index, event.processed, event.total)
                    case Finished():
                        transcript.document = _document(task, event, transcript, parsed.output)


def _bytes_of(path: Path) -> NDArray[np.uint8]:
    """The bytes of a file, mapped. Raises InvalidRequest for an empty one."""
    if not path.stat().st_size:
        raise InvalidRequest("The file is empty.", param="file")
    return np.memmap(path, dtype=np.uint8, mode="r")


def _classifier(choice: Choice[WhisperConfig]) -> "TextClassificationReplica | None":
    """The replica of the classifier that the model's entry names."""
    entries = {entry.id: entry for entry in choice.app.models} if choice.app else {}
    entry = entries.get(choice.name)
    used = entries.get(entry.classifier or "") if isinstance(entry, WhisperEntry) else None
    if not isinstance(used, TextClassificationEntry):
        return None
    from deployments.text_classification.deployment import TextClassificationReplica  # imports PyTorch

    return TextClassificationReplica(used.id, used.config)


def _calls(classifier: "TextClassificationReplica") -> Calls:
    handle: Any = SimpleNamespace(label_texts=SimpleNamespace(remote=classifier.label_texts))
    return Calls(handle, "classifier", retries=0)


def _document(task: Task, end: Finished, grown: GrowingTranscript, output: Output) -> dict[str, Any] | None:
    transcript = Transcript(
        task, end.language, end.language_probability, end.duration, end.speech_duration, tuple(grown.segments)
    )
    match grown.kind:
        case "json":
            return transcripts.as_json(transcript, logprobs=output.logprobs)
        case "verbose_json":
            return transcripts.as_verbose_json(transcript, segments=output.segments, words=output.words)
    return None
