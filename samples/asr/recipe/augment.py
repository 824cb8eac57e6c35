"""Log-mel features and what makes one recording many: filters, rooms, noise, loudness, masks."""

import random

import numpy as np
import torch
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray
from torch.nn import functional

from .speech import RATE

Audio = NDArray[np.float32]
MELS = 80
NOISE_SAMPLES = 30 * RATE
_FILTERS = torch.from_numpy(FeatureExtractor().mel_filters)
_HANN = torch.hann_window(400)


def log_mel(audio: Audio) -> NDArray[np.float32]:
    """(80, frames of 10 ms), the same numbers as faster-whisper's extractor (to 5e-7), several times faster."""
    padded = functional.pad(torch.from_numpy(np.ascontiguousarray(audio, dtype=np.float32)), (0, 160))
    power = torch.stft(padded, 400, 160, window=_HANN, return_complex=True)[:, :-1].abs() ** 2
    mel = (_FILTERS @ power).clamp(min=1e-10).log10()
    scaled: NDArray[np.float32] = ((torch.maximum(mel, mel.max() - 8) + 4) / 4)[:, :-1].numpy()
    return scaled


def noise_bank(rng: random.Random, generator: np.random.Generator, count: int = 12) -> list[Audio]:
    """White and coloured noises of unit power, 30 s each (fresh noise for every window would cost too much)."""
    noises: list[Audio] = []
    for _ in range(count):
        tilt = rng.choice([0.0, rng.uniform(0.3, 1.0)])
        spectrum = np.fft.rfft(generator.standard_normal(NOISE_SAMPLES))
        wave = np.fft.irfft(spectrum * (np.arange(len(spectrum)) + 1.0) ** -tilt, NOISE_SAMPLES)
        noises.append((wave / wave.std()).astype(np.float32))
    return noises


def reverberate(audio: Audio, rng: random.Random, generator: np.random.Generator) -> Audio:
    """A room of 0.05-0.25 s: exponentially decaying noise behind the direct sound."""
    length = int(rng.uniform(0.05, 0.25) * RATE)
    response = generator.standard_normal(length) * np.exp(-np.arange(length) / length * 6.9)
    response *= rng.uniform(0.1, 0.5) / np.sqrt((response**2).sum())
    response[0] = 1
    size = 1 << (len(audio) + length).bit_length()
    wet = np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(response, size), size)
    return wet[: len(audio)].astype(np.float32)


def warp_mel(mel: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Stretch the mel axis: a longer or shorter vocal tract."""
    position = np.clip(np.arange(MELS) * factor, 0, MELS - 1)
    low = np.floor(position).astype(int)
    part = (position - low)[:, None].astype(np.float32)
    warped: NDArray[np.float32] = mel[low] * (1 - part) + mel[np.minimum(low + 1, MELS - 1)] * part
    return warped


class Augmenter:
    """Turns audio of a window into augmented log-mel features."""

    def __init__(self, rng: random.Random, seed: int) -> None:
        self.rng = rng
        self.generator = np.random.default_rng(seed)
        self.noises = noise_bank(rng, self.generator)

    def __call__(self, audio: Audio, empty: bool) -> NDArray[np.float32]:
        """Features (80, frames). ``empty``: no speech; then there always is noise."""
        rng = self.rng
        if rng.random() < 0.3:
            taps = np.array([1.0] + [rng.gauss(0, 0.25) for _ in range(3)], np.float32)
            audio = np.convolve(audio, taps)[: len(audio)]
        if rng.random() < 0.15:
            audio = reverberate(audio, rng, self.generator)
        if rng.random() < 0.65 or empty:
            offset = rng.randrange(0, NOISE_SAMPLES - len(audio))
            noise = rng.choice(self.noises)[offset : offset + len(audio)]
            level = float(np.sqrt((audio**2).mean())) + 1e-4
            audio = audio + noise * np.float32(level * 10 ** (-rng.uniform(10, 40) / 20))
        if not empty or rng.random() > 0.3:
            audio = audio * np.float32(10 ** (-rng.uniform(0, 25) / 20) / (np.abs(audio).max() + 1e-6))
        return self._mask(log_mel(audio))

    def _mask(self, mel: NDArray[np.float32]) -> NDArray[np.float32]:
        rng = self.rng
        if rng.random() < 0.3:  # a louder passage elsewhere in the file raises the floor
            mel = np.maximum(mel, mel.max() - 2 + rng.uniform(0, 0.4))
        if rng.random() < 0.5:
            mel = warp_mel(mel, rng.uniform(0.88, 1.12))
        for part, chance, value in ((mel, 0.3, mel.mean()), (mel.T, 0.2, mel.min())):
            if rng.random() < chance:
                offset = rng.randrange(0, max(1, len(part) - 10))
                part[offset : offset + rng.randrange(2, 11)] = value
        return mel
