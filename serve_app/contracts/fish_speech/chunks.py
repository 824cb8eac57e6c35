"""A streamed file of speech as the chunks of a job.

Where a chunk ends depends on nothing but the speech itself. So the chunks of a second attempt go on exactly where
those of one that died have ended, however the sound was cut when it came.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.errors import InternalError
from deployments.fish_speech.types import Audio, Finished, SpeechEvent, Started
from serve_app.tasks.speech.encoding import Container, encode_events

FIRST_S, LONGEST_S = 0.25, 2.0  # of sound in a chunk; each has twice as much as the one before


@dataclass(frozen=True, slots=True)
class FilePart:
    """Bytes of the file that say what is spoken from ``begin`` to ``end``, in seconds; the last ones know how it
    has ``finished``.
    """

    data: bytes
    begin: float
    end: float
    started: Started
    finished: Finished | None = None


async def file_parts(events: AsyncGenerator[SpeechEvent], container: Container) -> AsyncGenerator[FilePart]:
    """The parts, which make the file one after the other; at least one.

    A part comes when the next one is there: what completes the file belongs to the last one. Raises what the
    events raise. Closing it closes the events.
    """
    started: Started | None = None
    finished: Finished | None = None
    data, begin, end = b"", 0, 0
    async with aclosing(encode_events(_in_blocks(events), container)) as parts:
        async for part in parts:
            match part.event:
                case Started():
                    started = part.event
                case Audio():
                    assert started is not None
                    if data:
                        yield _part(data, begin, end, started)
                        data, begin = b"", end
                    end = part.event.begin + len(part.event.samples)
                case Finished():
                    finished = part.event
            data += part.data
    if started is None:
        raise InternalError("The speech ended without its first event. Try again.")
    yield _part(data, begin, end, started, finished)


def _part(data: bytes, begin: int, end: int, started: Started, finished: Finished | None = None) -> FilePart:
    return FilePart(data, begin / started.sample_rate, end / started.sample_rate, started, finished)


async def _in_blocks(events: AsyncGenerator[SpeechEvent]) -> AsyncGenerator[SpeechEvent]:
    """The same speech, cut where the clock says."""
    waiting: NDArray[np.float32] = np.zeros(0, np.float32)
    begin = 0
    sizes: Iterator[int] = iter(())
    size = 0
    async with aclosing(events):
        async for event in events:
            match event:
                case Started():
                    sizes = _sizes(event.sample_rate)
                    size = next(sizes)
                    yield event
                case Audio():
                    waiting = np.concatenate((waiting, event.samples))
                    while len(waiting) >= size:
                        yield Audio(waiting[:size], begin)
                        waiting, begin, size = waiting[size:], begin + size, next(sizes)
                case Finished():
                    if len(waiting):
                        yield Audio(waiting, begin)
                    yield event


def _sizes(sample_rate: int) -> Iterator[int]:
    """Samples of one block after the other."""
    seconds = FIRST_S
    while True:
        yield round(seconds * sample_rate)
        seconds = min(2 * seconds, LONGEST_S)
