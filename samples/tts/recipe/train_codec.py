"""Training of the codec in two stages: first what makes the codes, then what makes sound of them."""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from deployments.fish_speech.codec.convnext import ChannelNorm, ConvNeXtBlock
from deployments.layers.convolution import CausalConv1d
from deployments.layers.mel import LogMelSpectrogram

from .codec import FRAME_SAMPLES, SIZE, build_codec, freeze_codes, pass_through_codes
from .spectra import spectral_distance
from .utterances import Utterance
from .vocoder import sound_of

PRINT_EVERY = 100
ENCODER_RATE, HEAD_RATE = 2e-3, 1.5e-3
#: Windows of the encoder's stage in spectrogram frames, of the head's in code frames: context, and what is scored.
ENCODER_WINDOW, ENCODER_BATCH, ENCODER_SETTLED = 64, 24, 6
HEAD_CONTEXT, HEAD_SCORED, HEAD_BATCH = 6, 10, 8


def _progress(minutes: float) -> Iterator[float]:
    start = time.monotonic()
    while (done := (time.monotonic() - start) / 60 / minutes) < 1:
        yield done


def _run(
    parameters: list[nn.Parameter], minutes: float, rate: float, momentum: float, loss: Callable[[], Tensor]
) -> None:
    """AdamW with a rate that falls from ``rate`` to 3 % as a cosine of the time."""
    optimizer = torch.optim.AdamW(parameters, lr=rate, betas=(momentum, 0.99), weight_decay=0.01)
    total = 0.0
    for step, done in enumerate(_progress(minutes), 1):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, step / 50) * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * done)))
        value = loss()
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        total += value.item()
        if step % PRINT_EVERY == 0:
            print(f"codec, step {step}: {total / PRINT_EVERY:.4f}", flush=True)
            total = 0.0


def train_encoder(bank: list[Utterance], target: Path, minutes: float, seed: int) -> None:
    """Spectrogram to codes to spectrogram, with a decoder that is thrown away. The codes are final then."""
    torch.manual_seed(seed)
    rng, network, spectrogram = np.random.default_rng(seed), build_codec(), LogMelSpectrogram(SIZE.spec_transform)
    with torch.no_grad():  # each by itself, so that windows see real edges
        mel = torch.cat([spectrogram(torch.from_numpy(u.wave)[None])[0] for u in bank], 1)
    width, mels = SIZE.quantizer.input_dim, SIZE.spec_transform.n_mels
    decoder = nn.Sequential(
        CausalConv1d(width, width, 5),
        ConvNeXtBlock(width, "causal"),
        ChannelNorm(width),
        nn.Conv1d(width, mels, 1),
    )
    last = decoder[3]
    assert isinstance(last, nn.Conv1d)
    assert last.bias is not None
    nn.init.constant_(last.bias, float(mel.mean()))

    def loss() -> Tensor:
        starts = rng.integers(0, mel.shape[1] - ENCODER_WINDOW, ENCODER_BATCH)
        windows = torch.stack([mel[:, start : start + ENCODER_WINDOW] for start in starts])
        difference = (decoder(pass_through_codes(network, windows)) - windows)[..., ENCODER_SETTLED:]
        return difference.abs().mean() + 0.1 * difference.square().mean()

    parameters = [*network.backbone.parameters(), *network.quantizer.parameters(), *decoder.parameters()]
    _run(parameters, minutes, ENCODER_RATE, 0.9, loss)
    torch.save(network.state_dict(), target)


def train_head(bank: list[Utterance], stored: Path, target: Path, minutes: float, seed: int, rate: float) -> None:
    """Codes to sound; what makes the codes stays as it is in ``stored``."""
    torch.manual_seed(seed)
    rng, network = np.random.default_rng(seed), build_codec(stored)
    parameters = freeze_codes(network)
    audio = np.concatenate([u.audio for u in bank])
    codes = torch.from_numpy(np.concatenate([u.codes for u in bank], 1).astype(np.int64))
    window = HEAD_CONTEXT + HEAD_SCORED

    def loss() -> Tensor:
        starts = rng.integers(0, codes.shape[1] - window, HEAD_BATCH)
        sounds = [audio[(s + HEAD_CONTEXT) * FRAME_SAMPLES : (s + window) * FRAME_SAMPLES] for s in starts]
        meant = torch.from_numpy(np.stack(sounds).astype(np.float32) / np.float32(32_768))
        made = sound_of(network, torch.stack([codes[:, s : s + window] for s in starts]))
        return spectral_distance(made[:, HEAD_CONTEXT * FRAME_SAMPLES :], meant)

    _run(parameters, minutes, rate, 0.8, loss)
    torch.save(network.state_dict(), target)


def encode_bank(bank: list[Utterance], stored: Path) -> list[Utterance]:
    """The utterances with the codes of the codec in ``stored``."""
    network, spectrogram = build_codec(stored).eval(), LogMelSpectrogram(SIZE.spec_transform)
    with torch.inference_mode():
        return [
            u.with_codes(network.encode(spectrogram(torch.from_numpy(u.wave)[None]))[0].numpy().astype(np.int16))
            for u in bank
        ]
