"""The job contract of RunPod's own faster-whisper worker: one file in, one object out."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

from deployments.errors import AntiphonError, InternalError
from deployments.whisper.config import WhisperConfig
from deployments.whisper.types import Finished, Segment, Transcript, TranscriptionEvent, TranscriptionRequest
from deployments.whisper.types import Progress as AudioProgress
from serve_app.concurrency import run_off_loop
from serve_app.config.models import ModelEntry
from serve_app.config.tasks import ModelTask
from serve_app.contracts.audio import JobAudio
from serve_app.contracts.contract import Item, JobContext, JobInput, JobProgress, JobResult, Notice
from serve_app.contracts.faster_whisper.input import read_input
from serve_app.contracts.ivrit.output import word_values
from serve_app.contracts.options import request_for, with_audio
from serve_app.contracts.patience import patiently
from serve_app.tasks.transcription import formats as transcripts
from serve_app.tasks.transcription.channels import channel_of, turns

MANY_SEGMENTS = 500


class FasterWhisperContract:
    """Transcription and, if wanted, a translation into English, which is a second pass with the same options."""

    def __init__(self) -> None:
        self.name = "faster-whisper"
        self.task: ModelTask | None = "transcription"

    def accepts(self, job_input: JobInput) -> bool:
        """Whether the input has ``audio`` or ``audio_base64``."""
        return "audio" in job_input or "audio_base64" in job_input

    def streams(self, job_input: JobInput) -> bool:
        """Never: the output is one object."""
        return False

    async def run(self, job_input: JobInput, context: JobContext) -> AsyncGenerator[Item]:
        """Transcribe. Raises what the gateway raises, and InvalidRequest with a line for every wrong option."""
        job = read_input(job_input, context)
        request = request_for(job.options, "transcribe", job.model, context)
        entry = context.gateway.models.resolve("transcription", job.model).entry
        audio = await job.audio(context.upload_bytes)
        passes = [request]
        if job.values["translate"]:
            untimed = request.decoding.model_copy(update={"word_timestamps": False})
            passes.append(request.model_copy(update={"task": "translate", "decoding": untimed}))
        results: list[Transcript] = []
        for one in passes:
            collected = _Collected(one)
            begin = partial(_events, one, audio, context)
            # The first pass may be refused; a job whose second one were would begin anew.
            async with aclosing(patiently(begin, context.deadline) if results else begin()) as events:
                async for event in events:
                    if (progress := collected.add(event)) is not None:
                        yield JobProgress(progress)
            results.append(collected.transcript())
        large = sum(len(transcript.segments) for transcript in results) > MANY_SEGMENTS
        yield JobResult(await run_off_loop(lambda: _output(job.values, results, job.model, entry), large=large))

    def failed(self, job_input: JobInput, error: AntiphonError, context: JobContext) -> Iterable[Notice]:
        """No webhooks."""
        return ()


class _Collected:
    """The events of one pass, put together."""

    def __init__(self, request: TranscriptionRequest) -> None:
        self._request = request
        self._segments: list[Segment] = []
        self._finished: Finished | None = None

    def add(self, event: TranscriptionEvent) -> dict[str, Any] | None:
        """Take an event. The progress to be shown, if it is about that."""
        match event:
            case Segment():
                self._segments.append(event)
            case Finished():
                self._finished = event
            case AudioProgress(processed, total):
                return {
                    "step": self._request.task,
                    "processed_seconds": round(processed, 3),
                    "total_seconds": None if total is None else round(total, 3),
                }
        return None

    def transcript(self) -> Transcript:
        """The whole. Raises InternalError if the last event is missing."""
        end = self._finished
        if end is None:
            raise InternalError("The transcription ended without its last event. Try again.")
        return Transcript(
            self._request.task,
            end.language,
            end.language_probability,
            end.duration,
            end.speech_duration,
            tuple(self._segments),
            end.track,
        )


def _events(
    request: TranscriptionRequest, audio: JobAudio, context: JobContext
) -> AsyncGenerator[TranscriptionEvent, None]:
    return context.gateway.transcribe(with_audio(request, audio), audio.upload)


def _output(
    values: Mapping[str, Any], results: list[Transcript], model: str | None, entry: ModelEntry
) -> dict[str, Any]:
    spoken = results[0]
    output = {
        "segments": [transcripts.segment_object(s, number) for number, s in enumerate(spoken.segments)],
        "detected_language": spoken.language,
        "transcription": _formatted(values["transcription"], spoken),
        "translation": _formatted(values["translation"], results[1]) if len(results) > 1 else None,
        "device": _device(entry),
        "model": model or entry.id,
    }
    if values["word_timestamps"]:
        output["word_timestamps"] = [
            {key: word[key] for key in ("word", "start", "end")} | channel_of(segment)
            for segment in spoken.segments
            for word in word_values(segment)
        ]
    return output


def _formatted(kind: str, transcript: Transcript) -> str:
    """The text in one of the worker's formats; a format that it does not know is plain text, as there. Of channels
    that were transcribed apart a text has a line for each turn.
    """
    match kind:
        case "srt":
            return transcripts.as_srt(transcript.segments)
        case "vtt":
            return transcripts.as_vtt(transcript.segments)
    if transcript.track is not None and transcript.track.apart:
        return turns(transcript.segments)
    separator = "\n" if kind == "formatted_text" else " "
    return separator.join(segment.text.lstrip() for segment in transcript.segments)


def _device(entry: ModelEntry) -> str:
    """Where the configuration puts the model. Only its replicas know what ``auto`` has led to."""
    config = entry.config
    return "cuda" if isinstance(config, WhisperConfig) and config.engine.device == "cuda" else "cpu"
