"""flite speaks, and prints where its phones end: which word is heard in every frame comes for nothing."""

import difflib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samples.asr.recipe.synthesis import read_wav, run
from samples.asr.recipe.vocabulary import WORDS

from .codec import FRAME_SAMPLES, SAMPLE_RATE
from .utterances import Utterance, no_codes

VOICE = "slt"
PAUSE = "pau"
#: Samples louder than this (of 32,768) are speech; so much is kept before and after it.
LOUD, BEFORE, AFTER = 300, 800, 1_600


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone and when it ends, in seconds."""

    name: str
    end: float


def _parse(printed: str) -> list[Phone]:
    items = [item.rpartition(":") for item in printed.split()]
    return [Phone(name, float(end)) for name, _, end in items]


@cache
def _lexicon() -> dict[str, list[str]]:
    """The phones of every word of the vocabulary, said alone."""
    said = {word: run("flite", "-voice", VOICE, "-ps", "-t", word, "none").split() for word in WORDS}
    return {word: [phone for phone in phones if phone != PAUSE] for word, phones in said.items()}


@cache
def phone_names() -> list[str]:
    """All phones of the vocabulary; the pause is the first."""
    return [PAUSE, *sorted({phone for phones in _lexicon().values() for phone in phones})]


def _owners(words: list[str], spoken: list[str]) -> list[int]:
    """For every spoken phone the word that it belongs to. Phones that flite reduced or added follow the others."""
    expected = [(phone, i) for i, word in enumerate(words) for phone in _lexicon()[word]]
    if len(expected) == len(spoken):
        return [i for _, i in expected]
    known: dict[int, int] = {}
    matcher = difflib.SequenceMatcher(None, [phone for phone, _ in expected], spoken, autojunk=False)
    for block in matcher.get_matching_blocks():
        known |= {block.b + k: expected[block.a + k][1] for k in range(block.size)}
    owners: list[int] = []
    for k in range(len(spoken)):
        owners.append(known.get(k, owners[-1] if owners else 0))
    return owners


def _label(words: list[str], phones: list[Phone], start: int, frames: int) -> NDArray[np.int16]:
    """Word and phone (2, frames) in the middle of every frame of audio that begins at sample ``start``."""
    owners = [*_owners(words, [phone.name for phone in phones if phone.name != PAUSE]), len(words)]
    names, timed, said = phone_names(), list[tuple[float, int, int]](), 0
    for phone in phones:
        timed.append((phone.end, owners[said], names.index(phone.name) if phone.name in names else 0))
        said += phone.name != PAUSE
    labels, at = np.zeros((2, frames), np.int16), 0
    for frame in range(frames):
        middle = (start + FRAME_SAMPLES * (frame + 0.5)) / SAMPLE_RATE
        while at < len(timed) - 1 and middle > timed[at][0]:
            at += 1
        labels[:, frame] = timed[at][1:]
    return labels


def speak(text: str, folder: Path) -> Utterance:
    """``text`` in flite's voice slt, trimmed to 50 ms before and 100 ms after the speech. No codes yet."""
    wav = folder / "flite.wav"
    phones = _parse(run("flite", "-voice", VOICE, "-psdur", "-t", text, "-o", str(wav)))
    samples, rate = read_wav(wav)
    assert rate == SAMPLE_RATE
    loud = np.flatnonzero(np.abs(samples) > LOUD)
    start = max(0, int(loud[0]) - BEFORE)
    samples = samples[start : int(loud[-1]) + AFTER]
    frames = len(samples) // FRAME_SAMPLES
    words, heard = _label(text.split(), phones, start, frames)
    return Utterance(text, samples[: frames * FRAME_SAMPLES].astype(np.int16), words, heard, no_codes())
