"""What the decoder is asked for: prompts, words, timestamps, and where in the audio each of them is."""

import random
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from .augment import MELS, Augmenter
from .speech import Span
from .tokens import TIMESTAMPS, Tokens
from .vocabulary import WORDS, sentence
from .windows import Composer, Window

PROMPT_TOKENS = 223
MAX_INITIAL_STAMP_S = 1.0
POSITIONS_PER_SECOND = 50
IGNORED = -100
CTC_LABEL = {word: label for label, word in enumerate(WORDS, 1)}
#: Tokens of earlier text: none, a short initial text, or those of at most so many earlier windows.
NO_PROMPT, SHORT_PROMPT = -1, 0


@dataclass(slots=True)
class Batch:
    """Tensors of one step.

    ``mel`` (B, 80, frames), ``given`` and ``wanted`` (B, tokens), ``guides`` (G, 5): row, token, first and last
    encoder position, and whether the next step should still look there; ``words`` and ``word_counts`` for CTC.
    """

    mel: torch.Tensor
    given: torch.Tensor
    wanted: torch.Tensor
    guides: torch.Tensor
    words: torch.Tensor
    word_counts: torch.Tensor


@dataclass(slots=True)
class Example:
    """One window's features, decoder input, labels, guided spans (seconds) and words."""

    mel: NDArray[np.float32]
    given: list[int]
    wanted: list[int]
    spans: list[Span | None]
    words: list[int]


class ExampleMaker:
    """Makes batches of windows that are drawn from a bank."""

    def __init__(self, composer: Composer, augment: Augmenter, tokens: Tokens, rng: random.Random) -> None:
        self.composer = composer
        self.augment = augment
        self.tokens = tokens
        self.rng = rng
        self._all_words = list(tokens.word.values())

    def batch(self, length: float, single: bool, audio_seconds: float, prompts: bool) -> Batch:
        """Windows of ``length`` seconds, about ``audio_seconds`` in all.

        The size of prompts is drawn once per batch, so that one long prompt does not pad many short ones.
        """
        prompt = NO_PROMPT
        choice = self.rng.random() if prompts else 1.0
        if choice < 0.42:
            prompt = self.rng.choice([1, 2, 3, 4, 6, 10])
        elif choice < 0.48:
            prompt = SHORT_PROMPT
        count = max(6, min(32, int(audio_seconds / length)))
        examples = [self._example(length, single, prompt) for _ in range(count)]
        width = max(len(example.given) for example in examples)
        positions = int(length * POSITIONS_PER_SECOND)
        mel = np.zeros((count, MELS, 2 * positions), np.float32)
        given = np.full((count, width), self.tokens.end)
        wanted = np.full((count, width), IGNORED)
        guides: list[tuple[int, int, int, int, int]] = []
        for row, example in enumerate(examples):
            frames = min(2 * positions, example.mel.shape[1])
            mel[row, :, :frames] = example.mel[:, :frames]
            given[row, : len(example.given)] = example.given
            wanted[row, : len(example.wanted)] = example.wanted
            last = len(example.spans) - 1
            for token, span in enumerate(example.spans):
                low, high = (int(t * POSITIONS_PER_SECOND) for t in span) if span else (0, -9)
                if (low := max(0, low)) < (high := min(positions, high + 2)):
                    guides.append((row, token, low, high, int(token < last)))
        return Batch(
            torch.from_numpy(mel),
            torch.from_numpy(given),
            torch.from_numpy(wanted),
            torch.tensor(guides, dtype=torch.long).reshape(-1, 5),
            torch.tensor([word for example in examples for word in example.words], dtype=torch.long),
            torch.tensor([len(example.words) for example in examples]),
        )

    def _example(self, length: float, single: bool, prompt: int) -> Example:
        rng, tokens = self.rng, self.tokens
        timestamps = rng.random() < 0.5
        window = self.composer.window(length, single, timestamps)
        labels, spans = self._labels(window, timestamps)
        head = [tokens.start, tokens.english, tokens.transcribe] + ([] if timestamps else [tokens.no_timestamps])
        if prompt != NO_PROMPT and rng.random() < 0.85:
            before = [] if timestamps else [tokens.word[word] for word in window.before]
            head = [tokens.previous, *self._previous_text(prompt, timestamps, before), *head]
        wanted = [IGNORED] * (len(head) - 1) + labels + [tokens.end]
        wanted[head.index(tokens.start)] = tokens.no_speech if window.empty else tokens.english
        after = None if timestamps or window.cut or not window.phrases else window.phrases[-1].end
        ending = None if after is None else (after, after + 0.16)
        words = [word for phrase in window.phrases for word in phrase.words] + (
            window.cut.words if window.cut else []
        )
        return Example(
            self.augment(window.audio, window.empty),
            head + self._mistaken(labels),
            wanted,
            [None] * (len(head) - 1) + spans + [ending],
            [CTC_LABEL[word] for word in words],
        )

    def _labels(self, window: Window, timestamps: bool) -> tuple[list[int], list[Span | None]]:
        """Tokens of the window's text, and the span of audio that each of them is about."""
        labels: list[int] = []
        spans: list[Span | None] = []

        def stamp(at: float, shown: float) -> None:
            if timestamps:
                labels.append(self.tokens.stamp(shown))
                spans.append((at - 0.06, at + 0.06))

        for number, phrase in enumerate(window.phrases):
            stamp(phrase.start, phrase.start if number else min(phrase.start, MAX_INITIAL_STAMP_S))
            labels += [self.tokens.word[word] for word in phrase.words]
            spans += phrase.times if phrase.times else [None] * len(phrase.words)
            stamp(phrase.end, phrase.end)
        if window.cut:
            stamp(window.cut.start, window.cut.start)
            if not timestamps:
                labels += [self.tokens.word[word] for word in window.cut.words]
                spans += window.cut.times or []
        if timestamps and not labels:
            labels, spans = [self.tokens.zero], [None]
        return labels, spans

    def _mistaken(self, labels: list[int]) -> list[int]:
        """The labels as history, in half of the windows with errors, so that one error does not cause the next."""
        rng, zero = self.rng, self.tokens.zero
        chance = 0.0 if rng.random() < 0.5 else 0.06
        history = []
        for label in labels:
            if label < zero and rng.random() < chance:
                history.append(rng.choice(self._all_words))
            elif label > zero + 3 and rng.random() < chance:
                history.append(min(label + rng.randint(-3, 3), zero + TIMESTAMPS - 1))
            else:
                history.append(label)
        return history

    def _previous_text(self, prompt: int, timestamps: bool, before: list[int]) -> list[int]:
        """A prompt as faster-whisper builds it: the last 223 tokens of an initial text and of earlier windows.

        Its windows mostly have stamps when this one has, as in one and the same file.
        """
        rng = self.rng
        text: list[int] = []
        if prompt == SHORT_PROMPT or rng.random() < 0.15:
            for _ in range(rng.randint(1, 3)):
                text += self._sentence()
            if prompt == SHORT_PROMPT:
                return text[: rng.randint(1, 24)]
        stamps = rng.random() < (0.85 if timestamps else 0.25)
        for _ in range(rng.randint(1, prompt)):
            at = rng.uniform(0, 1.0)
            while at < 9:
                words = self._sentence()
                if rng.random() < 0.02:  # a loop in an earlier window must not go on in this one
                    words += words[-1:] * rng.randint(3, 15)
                end = at + min(8, len(words)) * rng.uniform(0.25, 0.45)
                if end > 10:
                    break
                text += [self.tokens.stamp(at), *words, self.tokens.stamp(end)] if stamps else words
                at = end + rng.uniform(0.3, 1.5)
        return (text + before)[-PROMPT_TOKENS:]

    def _sentence(self) -> list[int]:
        return [self.tokens.word[word] for word in sentence(self.rng).split()]
