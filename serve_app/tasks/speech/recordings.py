"""What is said in the recordings of a new voice."""

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing

from deployments.errors import InvalidRequest
from deployments.whisper.types import TranscriptionEvent, TranscriptionRequest, collect
from serve_app.fields.audio import Upload

Transcribe = Callable[[TranscriptionRequest, Upload], AsyncGenerator[TranscriptionEvent]]


async def transcripts_of(
    recordings: Iterable[Upload],
    transcribe: Transcribe,
    request_id: str,
    *,
    silence: InvalidRequest | None = None,
) -> tuple[str, ...]:
    """The text of every recording, written down by the default transcription model.

    Raises ``silence``, if it is given, for a recording without words, and whatever ``transcribe`` raises.
    """
    texts = []
    for recording in recordings:
        async with aclosing(transcribe(TranscriptionRequest(request_id=request_id), recording)) as events:
            texts.append((await collect("transcribe", events)).text)
        if silence is not None and not texts[-1]:
            raise silence
    return tuple(texts)
