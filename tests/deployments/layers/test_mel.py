"""Spectrograms beside the original's, and beside what a filterbank has to be."""

import pytest
import torch

from deployments.layers.mel import LogMelSpectrogram, Spectrogram, slaney_filterbank
from deployments.layers.sizes import MelSize
from tests.deployments.fish_speech.codec.support import FIREFLY, VQGAN, difference, golden


def test_filters_are_the_originals() -> None:
    assert difference(slaney_filterbank(MelSize()), golden(FIREFLY)["mel_fb"]) < 1e-6


def test_log_mel_is_the_originals() -> None:
    expected = golden(FIREFLY)
    mel = LogMelSpectrogram(MelSize())(expected["audio"][:, 0])
    assert difference(mel, expected["mel_raw"]) < 1e-4


def test_log_mel_of_low_frequencies_is_the_originals() -> None:
    expected = golden(VQGAN)
    mel = LogMelSpectrogram(MelSize(n_mels=128, f_max=8_000))(expected["audio"][:, 0])
    assert difference(mel, expected["encode_mel_raw"]) < 1e-4


@pytest.mark.parametrize(
    "size", [MelSize(), MelSize(sample_rate=16_000, n_mels=40, f_min=100, f_max=7_000)], ids=str
)
def test_filters_have_an_area_of_one(size: MelSize) -> None:
    filters = slaney_filterbank(size.model_copy(update={"n_fft": 32_768}))
    area = filters.sum(0) * size.sample_rate / 32_768
    assert torch.allclose(area, torch.ones(size.n_mels), atol=0.02)


def test_a_tone_is_found_where_it_is() -> None:
    size = MelSize()
    mel = LogMelSpectrogram(size)
    centres = slaney_filterbank(size).argmax(0) * size.sample_rate / size.n_fft
    for hertz in (500.0, 3_000.0, 12_000.0):
        tone = torch.sin(torch.arange(8_192) * 2 * torch.pi * hertz / size.sample_rate)
        loudest = int(mel(tone[None])[0].mean(-1).argmax())
        assert abs(float(centres[loudest]) - hertz) < 0.06 * hertz + 25


def test_magnitudes_are_those_of_windowed_frames() -> None:
    audio = torch.randn(1, 5_000, generator=torch.Generator().manual_seed(1))
    magnitudes = Spectrogram(2_048, 512)(audio)
    assert magnitudes.shape == (1, 1_025, 9)
    frame = torch.hann_window(2_048) * audio[0, 4 * 512 - 768 : 4 * 512 - 768 + 2_048]
    assert difference(magnitudes[0, :, 4], (torch.fft.rfft(frame).abs().square() + 1e-6).sqrt()) < 1e-4


@pytest.mark.parametrize("hop", [512, 320, 333])
def test_frames_are_the_samples_by_the_hop(hop: int) -> None:
    spectrogram = Spectrogram(1_024, hop)
    for samples in (spectrogram.shortest_samples, 2 * hop, 1_000, 1_001, 5 * hop - 1, 5 * hop):
        if samples >= spectrogram.shortest_samples:
            assert spectrogram(torch.zeros(1, samples)).shape[-1] == samples // hop


@pytest.mark.parametrize(
    "wrong", [{"win_length": 1_024}, {"f_max": 30_000}, {"f_min": 9_000, "f_max": 8_000}, {"n_mel": 3}], ids=str
)
def test_sizes_that_do_not_fit_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MelSize.model_validate(wrong)
