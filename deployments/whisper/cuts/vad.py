"""Streaming voice activity detection: blocks of audio in, speech regions out, with bounded memory.

The speech probabilities are Silero VAD v6's, from the ONNX file that faster-whisper ships; the rules that turn
them into regions are Silero's, evaluated as the audio arrives. Regions equal those that faster-whisper finds
in the whole file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from faster_whisper.vad import get_vad_model
from numpy.typing import NDArray

from deployments.whisper.types import VadOptions
from media.decode import SAMPLE_RATE

CHUNK = 512  # samples per probability: 32 ms
CONTEXT = 64  # samples of the chunk before that the network also sees
SPLIT_PAUSE = SAMPLE_RATE * 98 // 1000  # a pause this long is where over-long speech may be split

Samples = NDArray[np.float32]


class Region(NamedTuple):
    """A part with speech, in samples from the start of the audio; ``end`` is exclusive."""

    start: int
    end: int


class SpeechProbabilities:
    """The network with its state. Feed multiples of 512 samples; get one probability for each 512."""

    def __init__(self) -> None:
        self._session: Any = get_vad_model().session
        self._h = np.zeros((1, 1, 128), np.float32)
        self._c = np.zeros((1, 1, 128), np.float32)
        self._context = np.zeros((1, CONTEXT), np.float32)

    def __call__(self, samples: Samples) -> NDArray[np.float32]:
        chunks = samples.reshape(-1, CHUNK)
        before = np.concatenate([self._context, chunks[:-1, -CONTEXT:]])
        self._context = chunks[-1:, -CONTEXT:].copy()
        probabilities, self._h, self._c = self._session.run(
            None, {"input": np.concatenate([before, chunks], axis=1), "h": self._h, "c": self._c}
        )
        result: NDArray[np.float32] = probabilities.reshape(-1)
        return result


@dataclass(slots=True)
class _Speech:
    """Speech that has begun. ``pause``: where the current silence began; ``split``: the latest silence long
    enough to split at; ``resume``: where speech went on after that.
    """

    start: int
    pause: int | None = None
    split: int | None = None
    resume: int | None = None


class RegionRules:
    """Probabilities in, unpadded speech regions out."""

    def __init__(self, options: VadOptions, window: int) -> None:
        limit = window
        if options.max_speech_duration_s is not None:
            limit = min(limit, int(options.max_speech_duration_s * SAMPLE_RATE))
        pad = SAMPLE_RATE * options.speech_pad_ms / 1000
        self._longest = max(limit - CHUNK - 2 * pad, SAMPLE_RATE)
        self._shortest = SAMPLE_RATE * options.min_speech_duration_ms / 1000
        self._silence = SAMPLE_RATE * options.min_silence_duration_ms / 1000
        self._speaks = options.threshold
        if options.neg_threshold is not None:
            self._silent = options.neg_threshold
        else:
            self._silent = max(options.threshold - 0.15, 0.01)
        self.position = 0
        self.speech: _Speech | None = None

    def feed(self, probability: float) -> Region | None:
        """Take the next chunk's probability; returns a region if it ended one."""
        now = self.position
        self.position += CHUNK
        speaks = probability >= self._speaks
        speech = self.speech
        if speech is None:
            self.speech = _Speech(now) if speaks else None
            return None
        if speaks and speech.pause is not None:
            speech.pause = None
            if speech.split is not None and speech.resume is None:
                speech.resume = now
        ended = None
        if now - speech.start > self._longest:
            ended, speech = self._split(speech, now)
            self.speech = speech
            if speech is None:
                return ended
        if probability < self._silent:
            if speech.pause is None:
                speech.pause = now
            if now - speech.pause > SPLIT_PAUSE:
                speech.split, speech.resume = speech.pause, None
            if now - speech.pause >= self._silence:
                self.speech = None
                if speech.pause - speech.start > self._shortest:
                    return Region(speech.start, speech.pause)
        return ended

    def _split(self, speech: _Speech, now: int) -> tuple[Region, _Speech | None]:
        """Cut over-long speech at its latest pause, or right here if it has none."""
        if speech.split is None:
            return Region(speech.start, now), None
        region = Region(speech.start, speech.split)
        return region, _Speech(speech.resume) if speech.resume is not None else None

    def finish(self, length: int) -> Region | None:
        """The audio ended after ``length`` samples; returns the region that was open."""
        speech, self.speech = self.speech, None
        if speech is not None and length - speech.start > self._shortest:
            return Region(speech.start, length)
        return None


class SpeechDetector:
    """Blocks of audio in; padded, disjoint, ordered speech regions out as soon as they are certain."""

    def __init__(self, options: VadOptions, window: int, probabilities: Any = None) -> None:
        """``window`` is the longest region in samples; ``probabilities`` replaces the network in tests."""
        self._probabilities = probabilities or SpeechProbabilities()
        self._rules = RegionRules(options, window)
        self._pad = SAMPLE_RATE * options.speech_pad_ms // 1000
        self._rest = np.empty(0, np.float32)
        self._length = 0
        self._open: Region | None = None  # start is padded, end is not yet
        self._any = False

    @property
    def needed_from(self) -> int:
        """Samples before this position will not be part of any later region."""
        if self._open is not None:
            return self._open.start
        speech = self._rules.speech
        return max(0, (speech.start if speech is not None else self._rules.position) - self._pad)

    def feed(self, block: Samples) -> Iterator[Region]:
        """Take the next block of audio; yields the regions that became certain."""
        self._length += len(block)
        samples = np.concatenate([self._rest, block])
        whole = len(samples) - len(samples) % CHUNK
        self._rest = samples[whole:].copy()
        if whole:
            yield from self._follow(self._probabilities(samples[:whole]))

    def finish(self) -> Iterator[Region]:
        """The audio is over; yields the remaining regions."""
        tail = np.zeros(CHUNK, np.float32)
        tail[: len(self._rest)] = self._rest
        tail[-CONTEXT:] = 0
        yield from self._follow(self._probabilities(tail))
        last = self._rules.finish(self._length)
        if last is not None:
            yield from self._ended(last)
        if self._open is not None:
            yield Region(self._open.start, min(self._length, self._open.end + self._pad))
            self._open = None

    def _follow(self, probabilities: NDArray[np.float32]) -> Iterator[Region]:
        for probability in probabilities.tolist():
            region = self._rules.feed(probability)
            if region is not None:
                yield from self._ended(region)
            elif self._open is not None:
                speech = self._rules.speech
                begins = self._rules.position if speech is None else speech.start
                if begins - self._open.end >= 2 * self._pad:
                    yield Region(self._open.start, self._open.end + self._pad)
                    self._open = None

    def _ended(self, region: Region) -> Iterator[Region]:
        """Pad a region's start, and the end of the one before it, without letting the two overlap."""
        if self._open is None:
            self._open = Region(max(0, region.start - self._pad), region.end)
            return
        silence = region.start - self._open.end
        reach = silence // 2 if silence < 2 * self._pad else self._pad
        yield Region(self._open.start, min(self._length, self._open.end + reach))
        self._open = Region(max(0, region.start - reach), region.end)
