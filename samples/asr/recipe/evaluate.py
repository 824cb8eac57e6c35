"""The evaluation: which held-out speech, in which rows of the table."""

import random
from pathlib import Path

import numpy as np

from .recogniser import LongFile, Recogniser
from .results import Result
from .speech import RATE, Utterance, load_bank
from .vocabulary import NEW_WORDS

#: Rows of single utterances: the test banks they are drawn from. Only words that every model so far knows.
UTTERANCES: dict[str, tuple[str, ...]] = {
    "held-out sentences, espeak-ng": ("test-sentences",),
    "held-out sentences, flite": ("test-sentences-flite",),
    "held-out espeak-ng voices": ("test-voices",),
    "held-out flite voice rms": ("test-voice-rms",),
    "held-out speeds": ("test-speeds",),
}
#: Rows of files of many utterances, in equal shares from these banks.
FILES: dict[str, tuple[str, ...]] = {
    "held-out sentences": ("test-sentences",),
    "held-out espeak-ng voices": ("test-voices",),
    "held-out espeak-ng and rms": ("test-voices", "test-voice-rms"),
}
#: The rest of the vocabulary: utterances with at least one new word, and files of anything.
NEW_UTTERANCES = "sentences with new words"
NEW_FILES = "whole vocabulary"
ALL_BANKS = ("test-sentences", "test-sentences-flite", "test-voices", "test-voice-rms")


def long_file(bank: list[Utterance], rng: random.Random, count: int = 15, noise: float = 0.002) -> LongFile:
    """Utterances with gaps of 0.4-1.5 s and a little white noise."""
    generator = np.random.default_rng(rng.randrange(1 << 30))
    pieces = [np.zeros(int(rng.uniform(0.2, 0.8) * RATE), np.float32)]
    parts: list[tuple[float, float, Utterance]] = []
    for utterance in rng.sample(bank, count):
        start = sum(map(len, pieces)) / RATE
        parts.append((start, start + utterance.seconds, utterance))
        gap = np.zeros(int(rng.uniform(0.4, 1.5) * RATE), np.float32)
        pieces += [utterance.wave, gap]
    audio = np.concatenate(pieces) * np.float32(0.5)
    hiss = generator.standard_normal(len(audio)).astype(np.float32) * np.float32(noise)
    return LongFile(audio + hiss, parts)


def _draw(work: Path, names: tuple[str, ...], new: bool | None = None) -> list[Utterance]:
    """Utterances of some banks in equal shares; ``new``: those with new words, those without, or all."""
    banks = [load_bank(work / f"{name}.npz") for name in names]
    chosen = [[u for u in bank if new is None or new != NEW_WORDS.isdisjoint(u.text.split())] for bank in banks]
    return [utterance for bank in chosen for utterance in bank[: min(map(len, chosen))]]


def evaluate(
    model: Path, work: Path, beam: int, count: int = 80, files: int = 10, new: bool = True
) -> list[Result]:
    """The whole table of a model folder. ``new``: the rows with new words too."""
    recogniser = Recogniser(model)
    results: list[Result] = []

    def keep(result: Result) -> None:
        results.append(result)
        print(f"{result.row}; {result.mode}; beam {beam}: {result.wer:.1f} % of {result.words}", flush=True)

    for row, names in UTTERANCES.items():
        bank = _draw(work, names, new=False)[:count]
        for result in recogniser.score_utterances(row, bank, beam):
            keep(result)
        if beam == 1:
            keep(recogniser.score_word_times(row, bank))
    for row, names in FILES.items():
        rng, bank = random.Random(5), _draw(work, names, new=False)
        for result in recogniser.score_files(row, [long_file(bank, rng) for _ in range(files)], beam):
            keep(result)
    if new:
        bank = [u for name in ALL_BANKS for u in _draw(work, (name,), new=True)[: count // len(ALL_BANKS)]]
        for result in recogniser.score_utterances(NEW_UTTERANCES, bank, beam):
            keep(result)
        rng, bank = random.Random(6), _draw(work, ALL_BANKS)
        for result in recogniser.score_files(NEW_FILES, [long_file(bank, rng) for _ in range(files)], beam):
            keep(result)
    return results
