"""Where the audio of a span lies in the original, and in which stretch of it something was said.

A span is put together from pieces between which speech detection, or the client's clips, cut something out. Pieces
that touch make one stretch. A decoded time near a seam is off by some tenths of a second, which across a pause of
an hour would be an hour, so every text gets a stretch first, and times within it then.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deployments.whisper.cuts.vad import Region
from media.decode import SAMPLE_RATE

Samples = NDArray[np.float32]

SHORTEST_S = 0.02  # of a text; also the steps in which a model counts time
LOUDNESS_SAMPLES = 160
SLIVER_S = 0.2  # by so much decoded times reach into a stretch in which nothing was said
SILENT = 0.1  # of the mean amplitude elsewhere in a text: what is quieter is a pause


class Stretch(NamedTuple):
    """Audio without a cut, in seconds of the span. The original audio has it ``offset`` seconds later."""

    start: float
    end: float
    offset: float


class Timeline:
    """The stretches of a span, in order."""

    def __init__(self, pieces: Sequence[Region], samples: Samples | None = None) -> None:
        """``pieces``: disjoint and in order, in samples of the original audio. ``samples``: what they hold, all
        together; without it a text lies where most of its time is.
        """
        self.pieces = tuple(pieces)
        self.stretches = tuple(_stretches(pieces))
        self._starts = [stretch.start for stretch in self.stretches]
        self._amplitude = None  # its sum up to each step of LOUDNESS_SAMPLES
        if samples is not None and len(self.stretches) > 1:
            self._amplitude = _summed_amplitude(samples)

    def original(self, seconds: float) -> float:
        """Seconds of the original audio, to the hundredth; at a seam those of the stretch that begins."""
        return round(seconds + self.stretches[self._index(seconds)].offset, 2)

    def spoken_in(self, start: float, end: float) -> tuple[int, ...]:
        """The stretches in which a text from ``start`` to ``end`` (seconds of the span) is spoken: one as a rule,
        several if its time covers more than a sliver, and more than silence, of each.
        """
        shares = self._shares(start, end)
        if len(shares) > 1:
            means = {i: sound / length for i, (sound, length) in shares.items() if length > SLIVER_S}
            loudest = max(means.values(), default=0.0)
            spoken = tuple(i for i, mean in means.items() if mean >= SILENT * loudest)
            if spoken:
                return spoken
        return (self.stretch(start, end),)

    def stretch(self, start: float, end: float, among: Sequence[int] = ()) -> int:
        """The stretch, ``among`` some or all, that holds most of the sound from ``start`` to ``end``."""
        shares = self._shares(start, end)
        if among:
            shares = {i: share for i, share in shares.items() if i in among}
        if shares:
            return max(shares, key=lambda i: shares[i])
        index = self._index(start)
        return min(among, key=lambda i: abs(i - index)) if among else index

    def _index(self, seconds: float) -> int:
        return max(bisect_right(self._starts, seconds) - 1, 0)

    def _shares(self, start: float, end: float) -> dict[int, tuple[float, float]]:
        """Sound and seconds that a time has in each stretch; nothing of those that it only touches."""
        shares = {}
        for index in range(self._index(start), self._index(end) + 1):
            stretch = self.stretches[index]
            low, high = max(start, stretch.start), min(end, stretch.end)
            if low < high:
                shares[index] = (self._sound(low, high), high - low)
        return shares

    def _sound(self, start: float, end: float) -> float:
        if self._amplitude is None:
            return end - start
        edges = np.array([start, end]) * (SAMPLE_RATE / LOUDNESS_SAMPLES)
        low, high = np.interp(edges, np.arange(len(self._amplitude)), self._amplitude)
        return float(high - low)


class Clock:
    """Times of the texts of a span, one after the other: in the original audio, within their stretch, rising."""

    def __init__(self, timeline: Timeline) -> None:
        self._stretches = timeline.stretches
        self._stretch, self._end = 0, 0.0  # of the text before

    def times(self, stretch: int, start: float, end: float) -> tuple[float, float]:
        """Start and end of a text that is spoken in ``stretch``, in seconds of the original audio, to the
        hundredth. It begins where the one before has ended, and lasts 0.02 s at least, if the stretch has room.
        """
        self._stretch = max(stretch, self._stretch)
        place = self._stretches[self._stretch]
        shortest = min(SHORTEST_S, place.end - place.start)
        start = min(max(start, self._end, place.start), place.end - shortest)
        end = min(max(end, start + shortest), place.end)
        self._end = end
        first, last = round(start + place.offset, 2), round(end + place.offset, 2)
        return first, last if last > first else round(first + 0.01, 2)


def _stretches(pieces: Sequence[Region]) -> list[Stretch]:
    stretches: list[Stretch] = []
    position, reached = 0, -2
    for piece in pieces:
        start, position = position, position + piece.end - piece.start
        if piece.start - reached in (0, 1):  # two pads that meet in a pause may leave a sample out
            stretches[-1] = stretches[-1]._replace(end=position / SAMPLE_RATE)
        else:
            offset = (piece.start - start) / SAMPLE_RATE
            stretches.append(Stretch(start / SAMPLE_RATE, position / SAMPLE_RATE, offset))
        reached = piece.end
    return stretches


def _summed_amplitude(samples: Samples) -> NDArray[np.float64]:
    """Deviations from the mean, which may be far from zero, of each step; shape (steps + 1,)."""
    steps = -(-len(samples) // LOUDNESS_SAMPLES)
    padded = np.zeros(steps * LOUDNESS_SAMPLES, np.float32)
    padded[: len(samples)] = samples
    deviations = padded.reshape(steps, LOUDNESS_SAMPLES).std(axis=1, dtype=np.float64)
    return np.concatenate([[0.0], np.cumsum(deviations)])
