"""The distance of two sounds: spectra of five window lengths."""

import torch
from torch import Tensor

from deployments.layers.mel import slaney_filterbank
from deployments.layers.sizes import MelSize

from .codec import SAMPLE_RATE

WINDOWS = {length: torch.hann_window(length) for length in (2_048, 1_024, 512, 256, 128)}
FILTERS = {
    length: slaney_filterbank(
        MelSize(sample_rate=SAMPLE_RATE, n_fft=length, win_length=length, hop_length=length // 4, n_mels=mels)
    ).T
    for length, mels in ((2_048, 100), (1_024, 80), (512, 48), (256, 24))
}


def spectral_distance(made: Tensor, meant: Tensor) -> Tensor:
    """Mean over windows of three distances between sounds (batch, samples): log magnitudes, energy, log mel."""
    total = made.new_zeros(())
    for length, window in WINDOWS.items():
        ours, theirs = (
            torch.stft(sound, length, length // 4, length, window, return_complex=True) for sound in (made, meant)
        )
        a, b = (torch.sqrt(s.real.square() + s.imag.square() + 1e-6) for s in (ours, theirs))
        total = total + 0.7 * (a.clamp_min(1e-2).log() - b.clamp_min(1e-2).log()).abs().mean()
        total = total + 0.5 * (a - b).norm() / (b.norm() + 1e-3)
        if length in FILTERS:
            mels = [(FILTERS[length] @ magnitudes).clamp_min(1e-5).log() for magnitudes in (a, b)]
            total = total + 1.5 * (mels[0] - mels[1]).abs().mean()
    return total / len(WINDOWS)
