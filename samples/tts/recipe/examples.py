"""Training examples: prompts with their speech, and what the guided heads and the read-outs should say of it."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samples.asr.recipe.vocabulary import WORDS

from .codec import CODEBOOKS
from .texts import respell
from .tokens import ASSISTANT, IM_END, PAD, SEMANTIC, SYSTEM, WORD_TOKENS, columns, user
from .utterances import Utterance, join

#: Classes of the read-outs; the last word and the last phone stand for the end.
WORD_CLASSES, PHONE_CLASSES, PLACE_CLASSES = len(WORDS) + 1, 48, 40
GUIDES, LABELS = 3, 6
LONGEST_WORDS = 30
_WORD_CLASS = {word: i for i, word in enumerate(WORDS)}


@dataclass(frozen=True, slots=True)
class Example:
    """Position s predicts column s + 1. Where there is nothing to say, guides and labels are -1.

    ``columns`` (1 + codebooks, time); ``spoken`` (time,) marks columns that are predicted; ``guides`` (3, time)
    are the positions of the word heard, of the next frame's word, of the word after it; ``labels`` (6, time) are
    phone, word and place heard, then phone, word and following word of the next frame.
    """

    columns: NDArray[np.int64]
    spoken: NDArray[np.bool_]
    guides: NDArray[np.int64]
    labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Batch:
    """Examples padded to the same length, with one more dimension in front."""

    columns: Tensor
    spoken: Tensor
    guides: Tensor
    labels: Tensor


def _silent(ids: tuple[int, ...]) -> Example:
    count = len(ids)
    nothing = (np.full((rows, count), -1) for rows in (GUIDES, LABELS))
    return Example(columns(list(ids)), np.zeros(count, np.bool_), *nothing)


def _turn(parts: list[Utterance], base: int, rng: random.Random | None) -> Example:
    """Somebody asks for a text at position ``base``, the assistant speaks it."""
    asked = user(" ".join(respell(part.text, rng) if rng else part.text for part in parts))
    whole, before = join(parts), [*asked, *ASSISTANT]
    words, frames = whole.text.split(), whole.codes.shape[1]
    end = base + len(asked) - 1
    where = np.array([*(base + i for i, token in enumerate(asked) if token in WORD_TOKENS and i > 2), end, end])
    classes = np.array([*(_WORD_CLASS[word] for word in words), WORD_CLASSES - 1, WORD_CLASSES - 1])
    assert len(where) == len(classes), whole.text
    matrix = columns([*before, *(whole.codes[0] + SEMANTIC).tolist(), IM_END], whole.codes, len(before))
    length = matrix.shape[1]
    guides, labels = np.full((GUIDES, length), -1), np.full((LABELS, length), -1)
    at = slice(len(before) - 1, len(before) + frames)
    heard, following = np.r_[0, whole.words], np.r_[whole.words, len(words)]
    guides[:, at] = where[[heard, following, following + 1]]
    phones, next_phones = np.r_[0, whole.phones], np.r_[whole.phones, PHONE_CLASSES - 1]
    place = np.minimum(heard, PLACE_CLASSES - 1)
    labels[:, at] = [phones, classes[heard], place, next_phones, classes[following], classes[following + 1]]
    return Example(matrix, np.arange(length) >= len(before), guides, labels)


def make_example(turns: list[list[Utterance]], rng: random.Random | None) -> Example:
    """The system's message and some turns of one voice, each a text of one or more utterances.

    Without ``rng`` the texts are spelled as they are.
    """
    parts = [_silent(SYSTEM)]
    for turn in turns:
        parts.append(_turn(turn, sum(part.columns.shape[1] for part in parts), rng))
    names = ("columns", "spoken", "guides", "labels")
    return Example(*(np.concatenate([getattr(part, name) for part in parts], -1) for name in names))


def collate(examples: list[Example]) -> Batch:
    """Pad on the right."""
    size, time = len(examples), max(example.columns.shape[1] for example in examples)
    padded = Batch(
        torch.zeros(size, 1 + CODEBOOKS, time, dtype=torch.long),
        torch.zeros(size, time, dtype=torch.bool),
        torch.full((size, GUIDES, time), -1),
        torch.full((size, LABELS, time), -1),
    )
    padded.columns[:, 0] = PAD
    for i, example in enumerate(examples):
        for name in ("columns", "spoken", "guides", "labels"):
            part = torch.from_numpy(getattr(example, name))
            getattr(padded, name)[i, ..., : part.shape[-1]] = part
    return padded


def compose(bank: list[Utterance], last: Utterance, rng: random.Random, done: float) -> list[list[Utterance]]:
    """The turns that end with ``last``; ``done`` is the part of training that has passed (0-1).

    After 30 % every eighth text is of two to four utterances; after 60 % three of ten examples have one to three
    earlier turns, as a reference recording and earlier segments of a long text make them.
    """

    def text(utterance: Utterance) -> list[Utterance]:
        if done < 0.3 or rng.random() > 0.12:
            return [utterance]
        count = rng.choices((2, 3, 4), (60, 25, 15))[0]
        parts = [utterance, *(rng.choice(bank) for _ in range(count - 1))]
        return parts if sum(len(part.text.split()) for part in parts) < LONGEST_WORDS else [utterance]

    turns = [text(last)]
    if done > 0.6 and rng.random() < 0.3:
        earlier = rng.choices((1, 2, 3), (75, 15, 10))[0]
        turns = [*(text(rng.choice(bank)) for _ in range(earlier)), *turns]
    return turns


def batches(
    bank: list[Utterance], tokens: int, rng: random.Random, progress: Callable[[], float]
) -> Iterator[Batch]:
    """Batches of about equally long examples with at most ``tokens`` positions, for ever."""
    while True:
        chosen = rng.sample(bank, min(320, len(bank)))
        pool = [make_example(compose(bank, last, rng, progress()), rng) for last in chosen]
        pool.sort(key=lambda example: example.columns.shape[1] + rng.random() * 8)
        groups: list[list[Example]] = [[]]
        for example in pool:
            if groups[-1] and example.columns.shape[1] * (len(groups[-1]) + 1) > tokens:
                groups.append([])
            groups[-1].append(example)
        rng.shuffle(groups)
        yield from map(collate, groups)
