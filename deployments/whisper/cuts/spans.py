"""Cuts audio into spans that can be decoded independently, while the audio is still being read.

A span is either a window's worth of speech, packed from the regions that voice activity detection (or the
client's own clips) picked, or, without either, the whole audio. Memory holds the spans in flight and a few
seconds around the reading position, whatever the length of the file.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deployments.whisper.cuts.audio_buffer import AudioBuffer
from deployments.whisper.cuts.clips import ClipPart, clip_parts
from deployments.whisper.cuts.timeline import Timeline
from deployments.whisper.cuts.vad import Region, SpeechDetector
from deployments.whisper.types import Clip, VadOptions

Samples = NDArray[np.float32]


class Span(Protocol):
    """Audio that is decoded window after window, apart from other spans."""

    timeline: Timeline
    closed: bool  # all of it is known, and it ends where speech ends
    part: ClipPart | None  # of a clip that overlaps others

    def window(self, start: int, length: int) -> Samples:
        """At most ``length`` samples from ``start`` on; empty at the end. May read the file, so it may block."""


class PackedSpan:
    """Regions of speech put together, at most one window long."""

    closed = True

    def __init__(self, samples: Samples, regions: Sequence[Region], part: ClipPart | None = None) -> None:
        self._samples = samples
        self.timeline = Timeline(regions, samples)
        self.part = part

    def window(self, start: int, length: int) -> Samples:
        """See ``Span``."""
        return self._samples[start : start + length]


class StreamSpan:
    """The whole audio as one span, read as decoding proceeds. What lies before ``start`` is forgotten."""

    closed = False
    part: ClipPart | None = None

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
    buffer: AudioBuffer,
    window: int,
    vad: VadOptions | None,
    clips: Sequence[Clip] = (),
    limit_s: float = math.inf,
) -> Iterator[Span | None]:
    """Spans of the audio in ``buffer``, in order. ``window`` in samples.

    Each step reads at most one block, so it yields None where a block completed no span: a long silence is
    read in many short steps, between which others get their turn and a client that left is noticed. Raises
    AudioTooLong if clips that overlap are more than ``limit_s``.
    """
    if clips:
        yield from _packed(buffer, window, clip_parts(buffer, window, clips, limit_s))
    elif vad is not None:
        yield from _packed(buffer, window, _speech_regions(buffer, SpeechDetector(vad, window)))
    else:
        yield StreamSpan(buffer)


def _packed(
    buffer: AudioBuffer, window: int, regions: Iterator[Region | ClipPart | None]
) -> Iterator[Span | None]:
    """Put regions together for as long as they fit into a window; cut longer ones; leave parts alone."""
    chosen: list[Region] = []
    parts: list[Samples] = []
    filled = 0
    for region in regions:
        if region is None:
            yield None
            continue
        if isinstance(region, ClipPart):
            if chosen:
                yield PackedSpan(np.concatenate(parts), chosen)
                chosen, parts, filled = [], [], 0
            yield PackedSpan(buffer.cut(*region.region), [region.region], region)
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
