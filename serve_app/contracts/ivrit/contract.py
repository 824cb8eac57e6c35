"""The job contract of ivrit.ai's transcription worker, as its client from 0.2.4 on and the older ones know it."""

import logging
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from functools import partial
from typing import Any

from deployments.errors import (
    AntiphonError,
    DeadlineExceeded,
    InvalidRequest,
    ModelNotFound,
    ModelUnavailable,
    Overloaded,
)
from deployments.whisper.types import LONGEST_AUDIO_S, Segment, TranscriptionRequest
from deployments.whisper.types import Progress as AudioProgress
from serve_app.config.tasks import ModelTask
from serve_app.contracts.contract import Chunk, Item, JobContext, JobInput, JobProgress, JobResult, Notice
from serve_app.contracts.ivrit.input import MAX_FILES, IvritJob, is_older, is_streaming, read_input
from serve_app.contracts.ivrit.interleave import interleaved
from serve_app.contracts.ivrit.output import entry, older_segment, progress_value, segment_value
from serve_app.contracts.ivrit.webhooks import FileValue, failed_webhook_of, webhook_of
from serve_app.contracts.options import request_for, with_audio
from serve_app.contracts.patience import patiently

logger = logging.getLogger("ray.serve")

FILES_AT_ONCE = 4
MAX_SHOWN = 32
# Failures that every other file of a list would meet, too, or that are over when the job starts again.
OF_ALL_FILES = (DeadlineExceeded, ModelNotFound, ModelUnavailable, Overloaded)

Event = tuple[int, Segment | AudioProgress | AntiphonError]


class IvritContract:
    """Transcription of one file or a list of them.

    Streaming, every chunk is a list of exactly one entry: a segment or the progress, each under its type. With
    ``legacy`` it is the bare segment, as clients before 0.2.3 read it. Not streaming, the only chunk is
    ``{"result": [[segment], ...]}``; the result for inputs of the worker before August 2025 is
    ``{"result": {"segments": [segment, ...]}}``.

    Files of a list are transcribed side by side, each entry with the ``index`` of its file. One that fails is an
    entry of the type ``error``, and the others go on.
    """

    def __init__(self, name: str = "ivrit", *, legacy: bool = False) -> None:
        self.name = name
        self.task: ModelTask | None = "transcription"
        self._legacy = legacy

    def accepts(self, job_input: JobInput) -> bool:
        """Whether the input has ``transcribe_args``, an ``engine``, or the older ``type`` beside its data."""
        if self._legacy:  # only its own endpoints speak it: nothing in an input distinguishes old clients
            return False
        return (
            "transcribe_args" in job_input
            or "engine" in job_input
            or ("type" in job_input and is_older(job_input))
        )

    def streams(self, job_input: JobInput) -> bool:
        """Always, as ivrit's own worker did, except for older inputs that do not ask for it."""
        return is_streaming(job_input) or not is_older(job_input)

    async def run(self, job_input: JobInput, context: JobContext) -> AsyncGenerator[Item]:
        """Transcribe. Raises what the gateway raises, and InvalidRequest in the words of ivrit's worker."""
        job = read_input(job_input, context)
        if job.batch and self._legacy:
            raise InvalidRequest(
                "Bare segments cannot say to which file they belong; send one file per job, or use the endpoint "
                "without `-legacy`.",
                param=job.kind,
            )
        webhook = webhook_of(job_input, context)
        request = request_for(job.options, job.task, job.model, context)
        _log_ignored(job, context)
        if webhook is not None:
            yield webhook.started()
        keep = webhook is not None or not job.streaming
        files: list[FileValue] = [[] for _ in job.sources]
        async with aclosing(_events(job, request, context)) as events:
            async for index, event in events:
                value = self._value(job, event)
                if isinstance(event, AntiphonError):
                    files[index] = event
                elif isinstance(event, Segment) and keep and isinstance(kept := files[index], list):
                    kept.append(value)
                if job.streaming:
                    for chunk in self._chunks(job, index, event, value):
                        yield chunk
                elif isinstance(event, AudioProgress):
                    yield JobProgress(value if not job.batch else {**value, "index": index})
        if webhook is not None:
            yield webhook.completed(files, batch=job.batch)
        if not job.streaming:
            yield _whole(job, files)

    def failed(self, job_input: JobInput, error: AntiphonError, context: JobContext) -> Iterable[Notice]:
        """The webhook about the failure, if the input names one."""
        webhook = failed_webhook_of(job_input, context)
        return () if webhook is None else (webhook.failed(error),)

    def _value(self, job: IvritJob, event: Segment | AudioProgress | AntiphonError) -> Any:
        match event:
            case Segment():
                return segment_value(event, words=job.words, extra=job.extra)
            case AudioProgress():
                return progress_value(event)
        return event.message

    def _chunks(self, job: IvritJob, lane: int, event: object, value: Any) -> Iterable[Chunk]:
        index = lane if job.batch else None
        if isinstance(event, Segment):
            data = [value] if self._legacy else [entry("segments", [value], index)]
            yield Chunk(data, *event.extent, _segment_lane(lane, event))
        elif isinstance(event, AudioProgress) and not self._legacy:
            done = value["extra"]["processed_seconds"]
            yield Chunk([entry("progress", value, index)], done, done, lane)
        elif isinstance(event, AntiphonError):  # lies after all that the file may hold
            yield Chunk([entry("error", value, index)], LONGEST_AUDIO_S - 1, LONGEST_AUDIO_S, lane)


def _segment_lane(file: int, segment: Segment) -> int:
    """The lane of a file's segments: channels of one file overlap, so each has its own."""
    return file if segment.channel is None else file + MAX_FILES * (1 + segment.channel)


def _events(job: IvritJob, request: TranscriptionRequest, context: JobContext) -> AsyncGenerator[Event]:
    if not job.batch:
        return _file(job, request, context, 0)
    files = range(len(job.sources))
    return interleaved((partial(_isolated, job, request, context, index) for index in files), FILES_AT_ONCE)


async def _file(
    job: IvritJob, request: TranscriptionRequest, context: JobContext, index: int
) -> AsyncGenerator[Event]:
    """What happens with one file. Raises whatever is wrong with it."""
    audio = await job.audio(index, context.upload_bytes)
    async with aclosing(context.gateway.transcribe(with_audio(request, audio), audio.upload)) as events:
        async for event in events:
            if isinstance(event, Segment | AudioProgress):
                yield index, event


async def _isolated(
    job: IvritJob, request: TranscriptionRequest, context: JobContext, index: int
) -> AsyncGenerator[Event]:
    """The same, where a file's own fault is its last event, and a file for which there is no room waits."""
    try:
        begin = partial(_file, job, request, context, index)
        async with aclosing(patiently(begin, context.deadline)) as events:
            async for event in events:
                yield event
    except OF_ALL_FILES:
        raise
    except AntiphonError as error:
        yield index, error


def _whole(job: IvritJob, files: list[FileValue]) -> Item:
    """The output at once. As in ivrit's own worker every segment is a list of its own."""
    results = [
        {"index": index, "error": file.message} if isinstance(file, AntiphonError) else [[value] for value in file]
        for index, file in enumerate(files)
    ]
    if job.older:
        (file,) = files
        segments = [older_segment(value) for value in file] if isinstance(file, list) else []
        return JobResult({"result": {"segments": segments}})
    return Chunk({"result": results if job.batch else results[0]}, 0.0, 1.0)


def _log_ignored(job: IvritJob, context: JobContext) -> None:
    if job.ignored:
        names = ", ".join(repr(name[:64]) for name in job.ignored[:MAX_SHOWN])
        logger.info("job %s: transcribe_args has keys that nobody here knows: %s", context.job_id, names)
