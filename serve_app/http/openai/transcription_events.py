"""The server-sent events of transcriptions in OpenAI's format: ``transcript.text.delta`` and ``.done``."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from deployments.whisper.types import Finished, Segment, TranscriptionEvent
from serve_app.tasks.transcription import formats as transcripts
from serve_app.tasks.transcription.channels import channel_objects, channel_of, sound_objects
from serve_app.tasks.transcription.languages import english_name
from serve_app.tasks.transcription.parse import Output


async def transcription_messages(
    events: AsyncGenerator[TranscriptionEvent, None], output: Output
) -> AsyncGenerator[dict[str, Any], None]:
    """One delta for every segment, then the whole text. The deltas put together are the whole text.

    Raises any ``AntiphonError``.
    """
    deltas = transcripts.TextDeltas()
    segments: list[Segment] = []
    async with aclosing(events):
        async for event in events:
            match event:
                case Segment():
                    yield _delta(event, len(segments), deltas.add(event.text), output)
                    segments.append(event)
                case Finished():
                    yield _done(event, segments, deltas.text, output)
                    return
    raise RuntimeError("the transcription ended without its last event")


def _delta(segment: Segment, number: int, delta: str, output: Output) -> dict[str, Any]:
    message: dict[str, Any] = {"type": "transcript.text.delta", "delta": delta, **channel_of(segment)}
    if output.logprobs:
        message["logprobs"] = transcripts.logprob_objects([segment])
    if segment.classification:
        message["classification"] = transcripts.classification_object(segment)
    if output.response_format == "verbose_json":
        message["segment"] = transcripts.segment_object(segment, number)
        if output.words:
            message["segment"]["words"] = transcripts.word_objects(segment)
    return message


def _done(finished: Finished, segments: list[Segment], text: str, output: Output) -> dict[str, Any]:
    message: dict[str, Any] = {"type": "transcript.text.done", "text": text}
    if output.logprobs:
        message["logprobs"] = transcripts.logprob_objects(segments)
    if classification := transcripts.classification_list(segments):
        message["classification"] = classification
    if output.response_format == "verbose_json":
        message |= {"language": english_name(finished.language), "duration": finished.duration}
        message |= sound_objects(segments, finished.track)
    elif channels := channel_objects(segments, finished.track):
        message["channels"] = channels
    return message | {
        "languages": transcripts.language_objects(segments),
        "usage": transcripts.usage_object(finished.duration, finished.track),
    }
