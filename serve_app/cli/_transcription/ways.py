"""The two ways to a transcript, and which of them is taken."""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import click

from deployments.whisper.types import Task
from serve_app.cli._transcription.inputs import AudioInput
from serve_app.cli._transcription.progress import ProgressBar
from serve_app.cli._transcription.remote import RemoteTranscriber, answers
from serve_app.cli._transcription.results import Result

DEFAULT_SERVER = "http://127.0.0.1:8000"


class Transcriber(Protocol):
    """Fills results."""

    async def transcribe(
        self, index: int, audio: AudioInput, task: Task, fields: Mapping[str, str], result: Result
    ) -> None:
        """Fill the result. ``fields`` are those of the HTTP form. Raises AntiphonError with a sentence."""


Way = Callable[[ProgressBar], AbstractAsyncContextManager[Transcriber]]


def choose_way(server: str | None, *, local: bool, config: Path | None, model: str | None) -> Way:
    """A named server is used, whatever happens; else the one at the usual place if it answers; else this
    process. Raises UsageError.
    """
    local = local or config is not None or (server is None and model is not None and _is_source(model))
    if local:
        return _in_process(config, model)
    if server is None and not answers(DEFAULT_SERVER):
        click.echo(f"There is no server at {DEFAULT_SERVER}; the model runs in this process.", err=True)
        return _in_process(config, model)
    url = (server or DEFAULT_SERVER).rstrip("/").removesuffix("/v1")
    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"--server {url} is no URL such as {DEFAULT_SERVER}.")
    return lambda bar: RemoteTranscriber(url, os.environ.get("ANTIPHON_API_KEY"), model, bar)


def _is_source(model: str) -> bool:
    return "://" in model or Path(model).expanduser().is_dir()


def _in_process(config: Path | None, model: str | None) -> Way:
    def way(bar: ProgressBar) -> AbstractAsyncContextManager[Transcriber]:
        from serve_app.cli._transcription.in_process import LocalTranscriber, choose  # imports Ray

        return LocalTranscriber(choose(model, config), bar)

    return way
