"""Transcribes inputs side by side and delivers the results in order."""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import click

from deployments.whisper.types import Task
from media.decode import probe
from media.errors import ClientError
from serve_app.cli.running import error_message
from serve_app.cli.servers import ModelOptions, choose_client
from serve_app.cli.transcription.inputs import AudioInput
from serve_app.cli.transcription.outputs import TranscriptWriter
from serve_app.cli.transcription.progress import ProgressBar
from serve_app.cli.transcription.remote import RemoteTranscriber
from serve_app.cli.transcription.results import GrowingTranscript
from serve_app.tasks.transcription.formats import TranscriptFormat

AT_ONCE = 4


class TranscriptionClient(Protocol):
    """Writes down what is said in inputs."""

    async def transcribe(
        self, index: int, audio: AudioInput, task: Task, fields: Mapping[str, str], transcript: GrowingTranscript
    ) -> None:
        """Fill the transcript. ``fields`` are those of the HTTP form. Raises AntiphonError with a sentence."""


OpenTranscriptionClient = Callable[[ProgressBar], AbstractAsyncContextManager[TranscriptionClient]]


def choose_transcriber(options: ModelOptions) -> OpenTranscriptionClient:
    """A server, or this process where there is none. Raises UsageError."""

    def local(options: ModelOptions, bar: ProgressBar) -> AbstractAsyncContextManager[TranscriptionClient]:
        from serve_app.cli.transcription.local import LocalTranscriber  # imports Ray

        return LocalTranscriber(options, bar)

    return choose_client(options, RemoteTranscriber, local)


@dataclass(frozen=True, slots=True)
class TranscribeArguments:
    """What the command line asks for; a target of None is standard output."""

    inputs: Sequence[AudioInput]
    targets: Sequence[Path | None]
    task: Task
    kind: TranscriptFormat
    fields: Mapping[str, str]
    stream: bool


async def transcribe_all(open_transcriber: OpenTranscriptionClient, arguments: TranscribeArguments) -> int:
    """Do it all and return the number of inputs that failed; each has been reported in a sentence.

    Raises what concerns all inputs.
    """
    shown = sys.stderr.isatty() and not (arguments.stream and sys.stdout.isatty())
    with ProgressBar(len(arguments.inputs), shown=shown) as bar:
        async with open_transcriber(bar) as transcriber:
            return await _all(transcriber, arguments, bar)


async def _all(transcriber: TranscriptionClient, arguments: TranscribeArguments, bar: ProgressBar) -> int:
    limit = asyncio.Semaphore(AT_ONCE)
    writers = [TranscriptWriter(target) for target in arguments.targets]
    tasks = [
        asyncio.create_task(_one(transcriber, arguments, index, writer, limit, bar))
        for index, writer in enumerate(writers)
    ]
    try:
        return await _deliver(arguments, tasks, writers, bar)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _one(
    transcriber: TranscriptionClient,
    arguments: TranscribeArguments,
    index: int,
    writer: TranscriptWriter,
    limit: asyncio.Semaphore,
    bar: ProgressBar,
) -> GrowingTranscript:
    await _expect(arguments.inputs[index], index, bar)
    async with limit:
        transcript = GrowingTranscript(
            arguments.kind, (lambda grown: writer.show(grown.so_far)) if arguments.stream else None
        )
        await transcriber.transcribe(index, arguments.inputs[index], arguments.task, arguments.fields, transcript)
        bar.finish(index)
        return transcript


async def _expect(audio: AudioInput, index: int, bar: ProgressBar) -> None:
    """Tell the bar how long a file is."""
    if bar.shown and audio.path is not None:
        with contextlib.suppress(ClientError, OSError):  # whoever transcribes it will say what is wrong with it
            bar.update(index, 0.0, (await asyncio.to_thread(probe, audio.path)).duration_s)


async def _deliver(
    arguments: TranscribeArguments,
    tasks: "Sequence[asyncio.Task[GrowingTranscript]]",
    writers: Sequence[TranscriptWriter],
    bar: ProgressBar,
) -> int:
    failures = 0
    for audio, task, writer in zip(arguments.inputs, tasks, writers, strict=True):
        try:
            transcript = await task
            with bar.aside():
                writer.show(transcript.text)
        except Exception as error:
            failures += 1
            with bar.aside():
                name = f"{audio.name}: " if len(arguments.inputs) > 1 else ""
                click.echo(f"Error: {name}{error_message(error)}", err=True)
    return failures
