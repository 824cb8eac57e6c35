"""Spoken texts, cut into the codec's frames, and banks of them."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .codec import FRAME_SAMPLES, SIZE


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech and what is heard in each of its frames.

    ``audio`` is int16 at 16 kHz, a whole number of frames. ``words`` (frames,) counts the words of ``text``: a
    pause belongs to the word after it, the last pause has their number. ``phones`` (frames,) indexes flite's
    phones, 0 is a pause. ``codes`` (codebooks, frames) are the codec's, empty until it has them.
    """

    text: str
    audio: NDArray[np.int16]
    words: NDArray[np.int16]
    phones: NDArray[np.int16]
    codes: NDArray[np.int16]

    @property
    def wave(self) -> NDArray[np.float32]:
        """The audio between -1 and 1."""
        return self.audio.astype(np.float32) / np.float32(32_768)

    def with_codes(self, codes: NDArray[np.int16]) -> "Utterance":
        """The same utterance with its codes."""
        return replace(self, codes=codes)


def no_codes() -> NDArray[np.int16]:
    """The codes of an utterance that was not encoded yet."""
    return np.zeros((SIZE.quantizer.n_groups, 0), np.int16)


def join(parts: list[Utterance]) -> Utterance:
    """Utterances one after another as if they were one."""
    counts = np.cumsum([0] + [len(part.text.split()) for part in parts])
    return Utterance(
        " ".join(part.text for part in parts),
        np.concatenate([part.audio for part in parts]),
        np.concatenate([part.words + count for part, count in zip(parts, counts, strict=False)]).astype(np.int16),
        np.concatenate([part.phones for part in parts]),
        np.concatenate([part.codes for part in parts], 1),
    )


def save_bank(path: Path, bank: list[Utterance]) -> None:
    """Write a bank as one .npz of plain arrays."""
    np.savez(
        path,
        texts=np.array([u.text for u in bank]),
        frames=np.array([len(u.words) for u in bank]),
        audio=np.concatenate([u.audio for u in bank]),
        words=np.concatenate([u.words for u in bank]),
        phones=np.concatenate([u.phones for u in bank]),
        codes=np.concatenate([u.codes for u in bank], 1),
    )


def load_bank(path: Path) -> list[Utterance]:
    """Read what ``save_bank`` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in ("audio", "words", "phones", "codes")}
        texts, ends = stored["texts"].tolist(), np.cumsum(stored["frames"]).tolist()
    bank, start = [], 0
    for text, end in zip(texts, ends, strict=True):
        audio = arrays["audio"][start * FRAME_SAMPLES : end * FRAME_SAMPLES]
        codes = arrays["codes"][:, start:end]
        bank.append(Utterance(text, audio, arrays["words"][start:end], arrays["phones"][start:end], codes))
        start = end
    return bank
