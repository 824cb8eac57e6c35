"""Cuts audio into spans that can be decoded independently, while the audio is still being read.

A span is either a window's worth of speech, packed from the regions that voice activity detection (or the
client's own clips) picked, or, without either, the whole audio. Memory holds the spans in flight and a few
seconds around the reading position, whatever the length of the file.
"""

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deployments.whisper.types import Clip, VadOptions
from deployments.whisper.vad import Region, SpeechDetector
from media.decode import SAMPLE_RATE

Samples = NDArray[np.float32]


class Timeline:
    """Maps seconds within a span back to seconds of the original audio."""

    def __init__(self, pieces: Sequence[Region]) -> None:
        self.pieces = tuple(pieces)
        lengths = np.cumsum([piece.end - piece.start for piece in pieces])
        self._ends: list[int] = [int(length) for length in lengths]

    def piece(self, seconds: float, *, is_end: bool = False) -> int:
        """Which piece holds this moment; a segment's end may lie exactly on a piece's end."""
        sample = int(seconds * SAMPLE_RATE)
        if is_end and sample in self._ends:
            return self._ends.index(sample)
        return min(bisect_right(self._ends, sample), len(self._ends) - 1)

    def original(self, seconds: float, piece: int | None = None, *, is_end: bool = False) -> float:
        """Seconds of the original audio, to the hundredth."""
        if piece is None:
            piece = self.piece(seconds, is_end=is_end)
        begin = self._ends[piece - 1] if piece else 0
        return round(self.pieces[piece].start / SAMPLE_RATE - begin / SAMPLE_RATE + seconds, 2)


class Span(Protocol):
    """Audio that is decoded window after window, apart from other spans."""

    timeline: Timeline
    closed: bool  # all of it is known, and it ends where speech ends

    def window(self, start: int, length: int) -> Samples:
        """At most ``length`` samples from ``start`` on; empty at the end. May read the file, so it may block."""


class PackedSpan:
    """Regions of speech put together, at most one window long."""

    closed = True

    def __init__(self, samples: Samples, regions: Sequence[Region]) -> None:
        self._samples = samples
        self.timeline = Timeline(regions)

    def window(self, start: int, length: int) -> Samples:
        """See ``Span``."""
        return self._samples[start : start + length]


class AudioBuffer:
    """The blocks of a stream that are still needed, addressed by sample from the start of the audio."""

    def __init__(self, blocks: Iterable[Samples]) -> None:
        self._blocks: Iterator[Samples] = iter(blocks)
        self._held: deque[Samples] = deque()
        self._start = 0
        self.end = 0

    def read(self) -> Samples | None:
        """Take the next block in and return it; None at the end."""
        block = next(self._blocks, None)
        if block is not None:
            self._held.append(block)
            self.end += len(block)
        return block

    def discard(self, before: int) -> None:
        """Forget blocks that end before a position."""
        while self._held and self._start + len(self._held[0]) <= before:
            self._start += len(self._held.popleft())

    def cut(self, start: int, end: int) -> Samples:
        """Samples ``start`` to ``end`` as one array, which must not have been discarded."""
        parts, position = [], self._start
        for block in self._held:
            low, high = max(start - position, 0), min(end - position, len(block))
            if low < high:
                parts.append(block[low:high])
            position += len(block)
        return np.concatenate(parts) if parts else np.empty(0, np.float32)


class StreamSpan:
    """The whole audio as one span, read as decoding proceeds. What lies before ``start`` is forgotten."""

    closed = False

    def __init__(self, buffer: AudioBuffer) -> None:
        self._buffer = buffer
        self.timeline = Timeline([Region(0, 2**62)])

    def window(self, start: int, length: int) -> Samples:
        """See ``Span``."""
        self._buffer.discard(start)
        while self._buffer.end < start + length and self._buffer.read() is not None:
            self._buffer.discard(start)
        return self._buffer.cut(start, start + length)


def spans(
    buffer: AudioBuffer, window: int, vad: VadOptions | None, clips: Sequence[Clip] = ()
) -> Iterator[Span | None]:
    """Spans of the audio in ``buffer``, in order. ``window`` in samples.

    Each step reads at most one block, so it yields None where a block completed no span: a long silence is
    read in many short steps, between which others get their turn and a client that left is noticed.
    """
    if clips:
        yield from _packed(buffer, window, _clip_regions(buffer, clips))
    elif vad is not None:
        yield from _packed(buffer, window, _speech_regions(buffer, SpeechDetector(vad, window)))
    else:
        yield StreamSpan(buffer)


def _packed(buffer: AudioBuffer, window: int, regions: Iterator[Region | None]) -> Iterator[Span | None]:
    """Put regions together for as long as they fit into a window; cut longer ones."""
    chosen: list[Region] = []
    parts: list[Samples] = []
    filled = 0
    for region in regions:
        if region is None:
            yield None
            continue
        for start in range(region.start, region.end, window):
            piece = Region(start, min(region.end, start + window))
            length = piece.end - piece.start
            if chosen and filled + length > window:
                yield PackedSpan(np.concatenate(parts), chosen)
                chosen, parts, filled = [], [], 0
            chosen.append(piece)
            parts.append(buffer.cut(*piece))
            filled += length
    if chosen:
        yield PackedSpan(np.concatenate(parts), chosen)


def _speech_regions(buffer: AudioBuffer, detector: SpeechDetector) -> Iterator[Region | None]:
    while (block := buffer.read()) is not None:
        yield from detector.feed(block)
        buffer.discard(detector.needed_from)
        yield None
    if buffer.end:
        yield from detector.finish()


def _clip_regions(buffer: AudioBuffer, clips: Sequence[Clip]) -> Iterator[Region | None]:
    """The client's clips, in order, as far as the audio reaches."""
    for clip in sorted(clips, key=lambda clip: clip.start):
        start = round(clip.start * SAMPLE_RATE)
        end = round(clip.end * SAMPLE_RATE) if clip.end is not None else math.inf
        buffer.discard(start)
        while start < end:
            stop = min(end, start + 30 * SAMPLE_RATE)
            while buffer.end < stop and buffer.read() is not None:
                buffer.discard(start)
                yield None
            stop = int(min(stop, buffer.end))
            if stop <= start:
                break
            yield Region(start, stop)
            start = stop
            buffer.discard(start)
