"""Transcribes inputs side by side and delivers the results in order."""

import asyncio
import contextlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from deployments.whisper.types import Task
from media.decode import probe
from media.errors import ClientError
from serve_app.cli.running import told
from serve_app.cli.transcription.inputs import AudioInput
from serve_app.cli.transcription.outputs import Sink
from serve_app.cli.transcription.progress import ProgressBar
from serve_app.cli.transcription.results import Result
from serve_app.cli.transcription.ways import Transcriber, Way
from serve_app.tasks.transcription.formats import TranscriptFormat

AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Job:
    """What the command line asks for; a target of None is standard output."""

    inputs: Sequence[AudioInput]
    targets: Sequence[Path | None]
    task: Task
    kind: TranscriptFormat
    fields: Mapping[str, str]
    stream: bool


async def transcribe_all(way: Way, job: Job) -> int:
    """Do it all and return the number of inputs that failed; each has been told in a sentence.

    Raises what concerns all inputs.
    """
    shown = sys.stderr.isatty() and not (job.stream and sys.stdout.isatty())
    with ProgressBar(len(job.inputs), shown=shown) as bar:
        async with way(bar) as transcriber:
            return await _all(transcriber, job, bar)


async def _all(transcriber: Transcriber, job: Job, bar: ProgressBar) -> int:
    limit = asyncio.Semaphore(AT_ONCE)
    sinks = [Sink(target) for target in job.targets]
    tasks = [
        asyncio.create_task(_one(transcriber, job, index, sink, limit, bar)) for index, sink in enumerate(sinks)
    ]
    try:
        return await _deliver(job, tasks, sinks, bar)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _one(
    transcriber: Transcriber, job: Job, index: int, sink: Sink, limit: asyncio.Semaphore, bar: ProgressBar
) -> Result:
    await _expect(job.inputs[index], index, bar)
    async with limit:
        result = Result(job.kind, (lambda result: sink.show(result.so_far)) if job.stream else None)
        await transcriber.transcribe(index, job.inputs[index], job.task, job.fields, result)
        bar.finish(index)
        return result


async def _expect(audio: AudioInput, index: int, bar: ProgressBar) -> None:
    """Tell the bar how long a file is."""
    if bar.shown and audio.path is not None:
        with contextlib.suppress(ClientError, OSError):  # whoever transcribes it will say what is wrong with it
            bar.update(index, 0.0, (await asyncio.to_thread(probe, audio.path)).duration_s)


async def _deliver(
    job: Job, tasks: "Sequence[asyncio.Task[Result]]", sinks: Sequence[Sink], bar: ProgressBar
) -> int:
    failures = 0
    for audio, task, sink in zip(job.inputs, tasks, sinks, strict=True):
        try:
            result = await task
            with bar.aside():
                sink.show(result.text)
        except Exception as error:
            failures += 1
            with bar.aside():
                name = f"{audio.name}: " if len(job.inputs) > 1 else ""
                click.echo(f"Error: {name}{told(error)}", err=True)
    return failures
