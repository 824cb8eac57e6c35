"""Utterances and banks of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
#: Start and end of a word in seconds.
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech (int16, 16 kHz, peak 0.9), what was said, when each word was said (if known), and by whom."""

    audio: NDArray[np.int16]
    text: str
    times: list[Span] | None
    voice: str

    @property
    def seconds(self) -> float:
        """Length of the audio."""
        return len(self.audio) / RATE

    @property
    def wave(self) -> NDArray[np.float32]:
        """The audio between -1 and 1."""
        return self.audio.astype(np.float32) / np.float32(32768)


def save_bank(path: Path, bank: list[Utterance]) -> None:
    """Write a bank as one .npz of plain arrays. Unknown word times are NaN."""
    times = [u.times or [(np.nan, np.nan)] * len(u.text.split()) for u in bank]
    np.savez(
        path,
        audio=np.concatenate([u.audio for u in bank]),
        lengths=np.array([len(u.audio) for u in bank]),
        texts=np.array([u.text for u in bank]),
        voices=np.array([u.voice for u in bank]),
        times=np.array([span for spans in times for span in spans], np.float32),
    )


def load_bank(path: Path) -> list[Utterance]:
    """Read what ``save_bank`` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        audio, times = stored["audio"], stored["times"]
        texts, voices = stored["texts"].tolist(), stored["voices"].tolist()
        ends = np.cumsum(stored["lengths"]).tolist()
    bank: list[Utterance] = []
    first_sample = first_word = 0
    for text, voice, end in zip(texts, voices, ends, strict=True):
        spans = times[first_word : first_word + len(text.split())].tolist()
        known = None if np.isnan(spans[0][0]) else [(start, stop) for start, stop in spans]
        bank.append(Utterance(audio[first_sample:end], text, known, voice))
        first_sample, first_word = end, first_word + len(spans)
    return bank
