"""The codec of fish-speech 1.5, firefly-gan-vq-fsq-8x1024-21hz.

Log-mel spectrogram, ConvNeXt encoder, grouped FSQ at a quarter of the frame rate, HiFi-GAN generator; all of it
causal. Written from the structure of fish-speech 1.5 (Fish Audio), whose checkpoints it reads.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch
from pydantic import model_validator
from torch import Tensor, nn

from deployments.fish_speech.codec.codec import Condition, check_audio, check_codes
from deployments.fish_speech.codec.convnext import BLOCK_KERNEL, ConvNeXtEncoder
from deployments.fish_speech.codec.quantizer import DownsampleQuantizer
from deployments.fish_speech.codec.sizes import ConvNeXtSize, QuantizerSize
from deployments.layers.convolution import set_layout
from deployments.layers.hifigan import HiFiGanGenerator, before_transposed, causal_reach
from deployments.layers.mel import LogMelSpectrogram
from deployments.layers.sizes import HiFiGanSize, MelSize, Size
from deployments.layers.state_dict import build, read_size, read_state_dict

SIZES = "firefly.json"


class FireflySize(Size):
    """All sizes of a firefly codec; the defaults are the released one's."""

    sample_rate: int | None = None
    spec_transform: MelSize = MelSize()
    backbone: ConvNeXtSize = ConvNeXtSize()
    quantizer: QuantizerSize = QuantizerSize()
    head: HiFiGanSize = HiFiGanSize()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        mel, features = self.spec_transform, self.backbone.dims[-1]
        if self.sample_rate not in (None, mel.sample_rate):
            raise ValueError("sample_rate differs from spec_transform.sample_rate")
        if mel.n_mels != self.backbone.input_channels:
            raise ValueError("backbone.input_channels has to be spec_transform.n_mels")
        if not features == self.quantizer.input_dim == self.head.num_mels:
            raise ValueError("the last of backbone.dims, quantizer.input_dim and head.num_mels have to be equal")
        if mel.hop_length != self.head.hop_length:
            raise ValueError("head.hop_length has to be spec_transform.hop_length")
        return self


class Firefly(nn.Module):
    """The parameters, named as in the original's checkpoints."""

    def __init__(self, size: FireflySize) -> None:
        super().__init__()
        self.backbone = ConvNeXtEncoder(size.backbone, "causal")
        self.quantizer = DownsampleQuantizer(size.quantizer, "causal")
        self.head = HiFiGanGenerator(size.head, "causal")
        self._factor = size.quantizer.factor

    def encode(self, mel: Tensor, frames: Tensor | None = None) -> Tensor:
        """Int32 codes (batch, codebooks, time) of a log-mel spectrogram (batch, mels, frames), float32.

        ``frames`` (batch,) is how many of each are its own, the rest being padding; None if all are.
        """
        if frames is None:
            return self.quantizer.encode(self.backbone(mel))
        own = torch.arange(mel.shape[-1], device=mel.device) < frames[:, None, None]
        return self.quantizer.encode(self.backbone(mel * own) * own)

    def decode(self, codes: Tensor, context: int = 0) -> Tensor:
        """Sound (batch, samples) of codes (batch, codebooks, time) without the first ``context`` frames."""
        features = self.quantizer.decode(codes)
        sound: Tensor = self.head(features, context * self._factor)
        return sound


def left_context(quantizer: QuantizerSize, head: HiFiGanSize) -> int:
    """How many code frames before a frame its sound depends on, all of the decoder being causal.

    Goes back through the layers from the first sample of a frame, the earliest position that each layer needs.
    """
    position = causal_reach(head, 0).features
    for factor in quantizer.downsample_factor:
        position = before_transposed(position + 1 - BLOCK_KERNEL, factor, factor)
    return -position


class FireflyCodec:
    """``Codec`` of fish-speech 1.5, whose sound can be streamed exactly: with 15 frames of context as released."""

    def __init__(self, network: Firefly, size: FireflySize) -> None:
        self.network = network
        self.spectrogram = LogMelSpectrogram(size.spec_transform)
        self.sample_rate = size.spec_transform.sample_rate
        self.frame_samples = size.head.hop_length * size.quantizer.factor
        self.codebooks = size.quantizer.n_groups
        self.codebook_entries = size.quantizer.entries
        self.shortest_samples = self.spectrogram.shortest_samples
        self.left_context = left_context(size.quantizer, size.head)
        self._factor = size.quantizer.factor
        self._device = torch.device("cpu")

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        """See ``Codec.to``."""
        self._device = torch.device(device)
        self.network.to(self._device)
        set_layout(self.network, self._device)
        self.spectrogram.to(self._device)
        self.network.quantizer.cast_decoder(dtype)
        self.network.head.cast_decoder(dtype)
        return self

    @torch.inference_mode()
    def encode(self, audio: Tensor) -> Tensor:
        """See ``Codec.encode``: ceil(mel frames / 4) frames, the last of which may be partly silence."""
        check_audio(audio, self.shortest_samples)
        mel = self.spectrogram(audio.to(self._device, torch.float32)[None])
        return self.network.encode(mel)[0]

    def full_frames(self, samples: int) -> int:
        """See ``Codec.full_frames``."""
        return samples // self.spectrogram.hop_length // self._factor

    @torch.inference_mode()
    def decode(self, codes: Tensor, conditions: Sequence[Condition] | None = None, *, context: int = 0) -> Tensor:
        """See ``Codec.decode``; ``conditions`` make no difference."""
        check_codes(codes, self.codebooks, conditions, context)
        batch, _, frames = codes.shape
        if not batch or context == frames:
            return torch.zeros(batch, (frames - context) * self.frame_samples, device=self._device)
        return self.network.decode(codes.to(self._device), context).float()


def load_firefly(path: Path, device: torch.device | str) -> FireflyCodec:
    """The codec in a file, whose sizes stand in ``firefly.json`` beside it if they are not the released.

    Computes in float32 until ``to`` says otherwise. Raises ModelUnavailable for files that are missing, damaged,
    or of another kind.
    """
    size = read_size(path.parent, SIZES, FireflySize)
    network = build(Firefly, size, state=read_state_dict(path), source=path)
    return FireflyCodec(network, size).to(device, torch.float32)
