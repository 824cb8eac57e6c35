"""One training window: utterances laid one after another, cut by the window's edges as real windows cut them."""

import random
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .speech import RATE, Span, Utterance

#: Whisper ends a window's text this long before its end; what is later belongs to the next window.
EDGE_S = 0.04


@dataclass(slots=True)
class Phrase:
    """Words said without a pause, in window time (seconds). ``times``: of each word, if known."""

    start: float
    end: float
    words: list[str]
    times: list[Span] | None


@dataclass(slots=True)
class Window:
    """Audio of at most ``length`` seconds and what is said in it."""

    audio: NDArray[np.float32]
    phrases: list[Phrase] = field(default_factory=list)
    #: The utterance that the window's end cuts: its audible words.
    cut: Phrase | None = None
    #: Words of the first utterance that the window before has already given.
    before: list[str] = field(default_factory=list)
    empty: bool = False


def _placed(times: list[Span], offset: float) -> list[Span]:
    return [(max(0.0, start + offset), end + offset) for start, end in times]


def _change_speed(
    audio: NDArray[np.float32], times: list[Span] | None, factor: float
) -> tuple[NDArray[np.float32], list[Span] | None]:
    """Speed and pitch together, by interpolation."""
    positions = np.arange(int(len(audio) / factor)) * factor
    faster = np.interp(positions, np.arange(len(audio)), audio).astype(np.float32)
    return faster, times and [(start / factor, end / factor) for start, end in times]


class Composer:
    """Draws windows from a bank."""

    def __init__(self, bank: list[Utterance], rng: random.Random) -> None:
        self.bank = bank
        self.rng = rng

    def window(self, length: float, single: bool, timestamps: bool) -> Window:
        """A window of ``length`` seconds; ``single``: mostly one utterance.

        ``timestamps`` decides who writes a word that the end cuts. With them the next window starts over at the
        phrase's start stamp; without them windows follow each other blindly, and a word belongs to the window
        that holds its middle.
        """
        rng = self.rng
        window = Window(np.zeros(int(length * RATE), np.float32), empty=rng.random() < 0.03)
        position = rng.uniform(0, 0.3) if rng.random() < 0.6 else rng.uniform(0.3, min(1.6, length / 3))
        longest_gap = 1.5 if rng.random() < 0.7 else 0.6
        ended = False
        while not window.empty:
            audio, words, times = self._utterance()
            if not window.phrases and times and len(words) > 2 and rng.random() < 0.25:
                audio, window.before, words, times = self._from_inside(audio, words, times)
                position = rng.uniform(0, 0.02)
            audio = audio * np.float32(rng.uniform(0.4, 1.0))
            spoken = times and _placed(times, position)
            end = position + len(audio) / RATE
            if end > length - 0.03:
                ended = self._cut(window, audio, Phrase(position, end, words, spoken), timestamps)
                if ended or window.phrases:
                    break
                window.before = []
                continue
            offset = int(position * RATE)
            window.audio[offset : offset + len(audio)] += audio
            window.phrases.append(Phrase(position, end, words, spoken))
            position = end + rng.uniform(0.12, longest_gap)
            if (single and rng.random() < 0.7) or position > length - 0.4:
                break
        if not ended and rng.random() < 0.6:
            last = window.phrases[-1].end if window.phrases else rng.uniform(0.5, length)
            window.audio = window.audio[: max(RATE // 10, int((last + rng.uniform(0, 0.8)) * RATE))]
        return window

    def _cut(self, window: Window, audio: NDArray[np.float32], phrase: Phrase, timestamps: bool) -> bool:
        """Lay an utterance that is too long for the window over its end, or leave it out (False)."""
        length, offset = len(window.audio) / RATE, int(phrase.start * RATE)
        times, first = phrase.times, not window.phrases
        if not times or len(window.audio) - offset <= RATE // 20 or not (first or self.rng.random() < 0.6):
            return False
        if timestamps:
            whole = sum(end < length - EDGE_S for _, end in times)
        else:
            whole = sum((start + end) / 2 < length for start, end in times)
        if first and not whole:
            return False
        window.audio[offset : offset + len(audio)] += audio[: len(window.audio) - offset]
        last = min(length, times[max(0, whole - 1)][1])
        kept = Phrase(phrase.start, last, phrase.words[:whole], times[:whole])
        if not first:
            window.cut = kept
        else:  # one long utterance: its words so far, then where the next window has to start
            window.phrases.append(kept)
            if whole < len(times):
                window.cut = Phrase(min(length, times[whole][0]), length, [], [])
        return True

    def _utterance(self) -> tuple[NDArray[np.float32], list[str], list[Span] | None]:
        drawn = self.bank[self.rng.randrange(len(self.bank))]
        audio, times = drawn.wave, drawn.times
        if self.rng.random() < 0.6:
            audio, times = _change_speed(audio, times, self.rng.uniform(0.88, 1.14))
        return audio, drawn.text.split(), times

    def _from_inside(
        self, audio: NDArray[np.float32], words: list[str], times: list[Span]
    ) -> tuple[NDArray[np.float32], list[str], list[str], list[Span]]:
        """What is left of an utterance for a window that starts within it: near a word's start, or anywhere."""
        if self.rng.random() < 0.5:
            offset = max(0.0, times[self.rng.randrange(1, len(words) - 1)][0] + self.rng.uniform(-0.05, 0.05))
        else:
            offset = self.rng.uniform(times[0][1] * 0.5, times[-1][0])
        gone = sum((start + end) / 2 <= offset for start, end in times)
        return audio[int(offset * RATE) :], words[:gone], words[gone:], _placed(times[gone:], -offset)
