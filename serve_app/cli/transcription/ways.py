"""The two ways to a transcript, and which of them is taken."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from deployments.whisper.types import Task
from serve_app.cli.servers import choose_server
from serve_app.cli.transcription.inputs import AudioInput
from serve_app.cli.transcription.progress import ProgressBar
from serve_app.cli.transcription.remote import RemoteTranscriber
from serve_app.cli.transcription.results import Result


class Transcriber(Protocol):
    """Fills results."""

    async def transcribe(
        self, index: int, audio: AudioInput, task: Task, fields: Mapping[str, str], result: Result
    ) -> None:
        """Fill the result. ``fields`` are those of the HTTP form. Raises AntiphonError with a sentence."""


Way = Callable[[ProgressBar], AbstractAsyncContextManager[Transcriber]]


def choose_way(server: str | None, *, local: bool, config: Path | None, model: str | None) -> Way:
    """A server, or this process where there is none. Raises UsageError."""
    url = choose_server(server, local=local, config=config, model=model)
    if url is None:
        return _in_process(config, model)
    return lambda bar: RemoteTranscriber(url, model, bar)


def _in_process(config: Path | None, model: str | None) -> Way:
    def way(bar: ProgressBar) -> AbstractAsyncContextManager[Transcriber]:
        from serve_app.cli.transcription.local import LocalTranscriber, choose  # imports Ray

        return LocalTranscriber(choose(model, config), bar)

    return way
