"""Events of speech -> bytes of an audio format, encoded beside the event loop."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from deployments.fish_speech.types import Audio, Finished, SpeechEvent, Started
from media.encode import AudioEncoder, AudioFormat

ENCODERS = 4
_threads = ThreadPoolExecutor(ENCODERS, "speech-encoder")


@dataclass(frozen=True, slots=True)
class Container:
    """How speech is wrapped. ``bit_rate`` in bits per second, None is the format's own; a format that is
    ``streamed`` is never changed after it was sent, see ``media.encode``.
    """

    format: AudioFormat
    bit_rate: int | None = None
    streamed: bool = True


@dataclass(frozen=True, slots=True)
class EncodedPart:
    """Bytes of the file, perhaps none, and the event after which they came."""

    data: bytes
    event: SpeechEvent


async def encode_events(events: AsyncGenerator[SpeechEvent], container: Container) -> AsyncGenerator[EncodedPart]:
    """A part for every event; the last part completes the file.

    Raises what the events raise, ClientError for a bit rate that the format does not have. Closing it closes the
    events.
    """
    encoder: AudioEncoder | None = None
    work: Future[bytes] | None = None
    async with contextlib.aclosing(events):
        try:
            async for event in events:
                data = b""
                match event:
                    case Started():
                        encoder = AudioEncoder(
                            container.format,
                            event.sample_rate,
                            bit_rate=container.bit_rate,
                            streamed=container.streamed,
                        )
                    case Audio():
                        assert encoder is not None
                        work = _threads.submit(encoder.write, event.samples)
                        data = await asyncio.wrap_future(work)
                    case Finished():
                        assert encoder is not None
                        work = _threads.submit(encoder.finish)
                        data = await asyncio.wrap_future(work)
                yield EncodedPart(data, event)
        finally:
            if encoder is not None and work is not None:  # a thread may still be in the encoder
                work.add_done_callback(lambda _: encoder.close())
            elif encoder is not None:
                encoder.close()


@dataclass(frozen=True, slots=True)
class SpeechFile:
    """A whole file of speech and what is known of it."""

    data: bytes
    started: Started
    finished: Finished

    @property
    def seconds(self) -> float:
        """Its duration."""
        return self.finished.samples / self.started.sample_rate


async def encode_file(events: AsyncGenerator[SpeechEvent], container: Container) -> SpeechFile:
    """All of the speech as one file. Raises what the events raise."""
    parts: list[bytes] = []
    started: Started | None = None
    finished: Finished | None = None
    whole_file = Container(container.format, container.bit_rate, streamed=False)
    async with contextlib.aclosing(encode_events(events, whole_file)) as stream:
        async for part in stream:
            parts.append(part.data)
            match part.event:
                case Started():
                    started = part.event
                case Finished():
                    finished = part.event
    assert started is not None
    assert finished is not None
    return SpeechFile(b"".join(parts), started, finished)
