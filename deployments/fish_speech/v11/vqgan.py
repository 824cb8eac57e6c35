"""The codec of fish-speech 1.1: vq-gan-group-fsq-2x1024 and the vocoder firefly-gan-base.

A WaveNet encoder and grouped FSQ make codes; a second WaveNet makes a log-mel spectrogram of Gaussian noise,
conditioned on them, and a vocoder makes it sound. Written from the structure of fish-speech 1.1 (Fish Audio),
whose checkpoints it reads.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch
from pydantic import model_validator
from torch import Tensor, nn

from deployments.fish_speech.codec.codec import Condition
from deployments.fish_speech.codec.convnext import ConvNeXtEncoder
from deployments.fish_speech.codec.sizes import ConvNeXtSize
from deployments.fish_speech.v11.codec import NoiseCodec
from deployments.fish_speech.v11.encoder import EncoderSize, VectorQuantizer
from deployments.fish_speech.v11.wavenet import WaveNet, WaveNetSize
from deployments.layers.hifigan import HiFiGanGenerator
from deployments.layers.sizes import HiFiGanSize
from deployments.layers.state_dict import build, read_size, read_state_dict

SIZES = "vqgan.json"
QUALITY = 2.0  # of the recording that the sound is to be like


class VQGANSize(EncoderSize):
    """All sizes of the codec and of its vocoder; the defaults are the released ones'."""

    decoder: WaveNetSize = WaveNetSize(output_channels=128, condition_channels=768)
    vocoder_backbone: ConvNeXtSize = ConvNeXtSize(input_channels=128)
    vocoder_head: HiFiGanSize = HiFiGanSize()

    @model_validator(mode="after")
    def _decoder_fits(self) -> Self:
        if self.decoder.condition_channels != self.quantizer.input_dim:
            raise ValueError("decoder.condition_channels has to be quantizer.input_dim")
        if self.decoder.input_channels is not None:
            raise ValueError("decoder has no input_channels")
        if self.decoder.output_channels != self.vocoder_backbone.input_channels:
            raise ValueError("decoder.output_channels has to be vocoder_backbone.input_channels")
        if self.vocoder_backbone.dims[-1] != self.vocoder_head.num_mels:
            raise ValueError("the last of vocoder_backbone.dims and vocoder_head.num_mels have to be equal")
        if self.vocoder_head.hop_length != self.encode_mel.hop_length:
            raise ValueError("vocoder_head.hop_length has to be encode_mel.hop_length")
        return self


class VQGAN(VectorQuantizer):
    """The parameters, named as in the original's checkpoint."""

    def __init__(self, size: VQGANSize) -> None:
        super().__init__(size)
        self.decoder = WaveNet(size.decoder)
        self.quality_projection = nn.Linear(1, size.quantizer.input_dim)

    def decode(self, codes: Tensor, noise: Tensor) -> Tensor:
        """Log-mel (batch, mels, frames * 4) of codes (batch, codebooks, frames).

        ``noise`` is Gaussian, (batch, decoder.residual_channels, frames * 4).
        """
        condition = self.quantizer.decode(codes)
        quality = self.quality_projection(condition.new_full((1,), QUALITY))
        mel: Tensor = self.decoder(noise.to(condition), condition + quality[:, None])
        return mel

    def cast_decoder(self, dtype: torch.dtype) -> None:
        """Let ``decode`` compute in ``dtype``."""
        self.quantizer.cast_decoder(dtype)
        self.decoder.to(dtype)
        self.quality_projection.to(dtype)


class Vocoder(nn.Module):
    """Log-mel spectrogram to sound by ConvNeXt and HiFi-GAN; its convolutions look to both sides."""

    def __init__(self, backbone: ConvNeXtSize, head: HiFiGanSize) -> None:
        super().__init__()
        self.backbone = ConvNeXtEncoder(backbone, "centred")
        self.head = HiFiGanGenerator(head, "centred")

    def forward(self, mel: Tensor) -> Tensor:
        """Log-mel (batch, mels, frames) to sound (batch, frames * hop_length)."""
        sound: Tensor = self.head(self.backbone(mel))
        return sound

    def cast_decoder(self, dtype: torch.dtype) -> None:
        """Let it compute in ``dtype``."""
        self.backbone.to(dtype)
        self.head.cast_decoder(dtype)


class VQGANCodec(NoiseCodec):
    """``Codec`` of fish-speech 1.1 that makes a log-mel spectrogram first. Of conditions it needs the seed."""

    def __init__(self, network: VQGAN, vocoder: Vocoder, size: VQGANSize) -> None:
        super().__init__(network, vocoder, size, size.decoder.residual_channels)
        self.network, self.vocoder = network, vocoder

    def _sound(self, codes: Tensor, noise: Tensor, conditions: Sequence[Condition]) -> Tensor:
        sound: Tensor = self.vocoder(self.network.decode(codes, noise))
        return sound

    def _cast_decoder(self, dtype: torch.dtype) -> None:
        self.network.cast_decoder(dtype)
        self.vocoder.cast_decoder(dtype)


def load_vqgan(vqgan_path: Path, vocoder_path: Path, device: torch.device | str) -> VQGANCodec:
    """The codec in two files, whose sizes stand in ``vqgan.json`` beside the first if they are not the released.

    Computes in float32 until ``to`` says otherwise. Raises ModelUnavailable for files that are missing, damaged,
    or of another kind.
    """
    size = read_size(vqgan_path.parent, SIZES, VQGANSize)
    network = build(VQGAN, size, state=read_state_dict(vqgan_path), source=vqgan_path)
    vocoder = build(
        Vocoder, size.vocoder_backbone, size.vocoder_head, state=read_state_dict(vocoder_path), source=vocoder_path
    )
    return VQGANCodec(network, vocoder, size).to(device, torch.float32)
