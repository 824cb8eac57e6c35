"""Spectrograms of the codecs: magnitudes, and log-mel with Slaney's filters (Slaney, "Auditory Toolbox")."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from deployments.layers.sizes import MelSize

LINEAR_BELOW_HZ = 1_000.0  # the mel scale is linear up to here and logarithmic from here on
HZ_PER_MEL = 200 / 3
LOG_STEP = math.log(6.4) / 27
POWER_FLOOR, MEL_FLOOR = 1e-6, 1e-5


def slaney_filterbank(size: MelSize) -> Tensor:
    """Triangular filters of area one, float32 (n_fft // 2 + 1, n_mels)."""

    def mels(hz: float) -> float:
        if hz < LINEAR_BELOW_HZ:
            return hz / HZ_PER_MEL
        return LINEAR_BELOW_HZ / HZ_PER_MEL + math.log(hz / LINEAR_BELOW_HZ) / LOG_STEP

    edge = LINEAR_BELOW_HZ / HZ_PER_MEL
    points = torch.linspace(
        mels(size.f_min), mels(size.highest), size.n_mels + 2, dtype=torch.float64, device="cpu"
    )
    corners = torch.where(
        points < edge, points * HZ_PER_MEL, LINEAR_BELOW_HZ * torch.exp((points - edge) * LOG_STEP)
    )
    bins = torch.linspace(0, size.sample_rate / 2, size.n_fft // 2 + 1, dtype=torch.float64, device="cpu")
    distance = corners[None] - bins[:, None]
    width = corners.diff()
    rising, falling = -distance[:, :-2] / width[:-1], distance[:, 2:] / width[1:]
    triangles = torch.minimum(rising, falling).clamp(min=0)
    return (triangles * 2 / (corners[2:] - corners[:-2])).float()


class Spectrogram(nn.Module):
    """Magnitudes, sqrt(power + 1e-6), of Hann windows whose frames are centred on multiples of the hop."""

    window: Tensor

    def __init__(self, n_fft: int, hop_length: int) -> None:
        super().__init__()
        self.n_fft, self.hop_length = n_fft, hop_length
        self.register_buffer("window", torch.hann_window(n_fft, device="cpu"), persistent=False)

    @property
    def shortest_samples(self) -> int:
        """The shortest audio that can be mirrored at its ends, in samples."""
        return max(self._padding + 1, self.hop_length)

    @property
    def _padding(self) -> int:
        return (self.n_fft - self.hop_length + 1) // 2

    def forward(self, audio: Tensor) -> Tensor:
        """Float32 audio (batch, samples) to float32 (batch, n_fft // 2 + 1, samples // hop_length)."""
        left = (self.n_fft - self.hop_length) // 2
        padded = functional.pad(audio[:, None], (left, self._padding), mode="reflect").squeeze(1)
        spectrum = torch.stft(
            padded, self.n_fft, self.hop_length, self.n_fft, self.window, center=False, return_complex=True
        )
        return torch.sqrt(spectrum.real.square() + spectrum.imag.square() + POWER_FLOOR)


class LogMelSpectrogram(Spectrogram):
    """Natural logarithm of mel magnitudes."""

    filters: Tensor

    def __init__(self, size: MelSize) -> None:
        super().__init__(size.n_fft, size.hop_length)
        self.register_buffer("filters", slaney_filterbank(size), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Float32 audio (batch, samples) to float32 (batch, n_mels, samples // hop_length)."""
        magnitudes = super().forward(audio)
        return torch.log((self.filters.T @ magnitudes).clamp(min=MEL_FLOOR))
