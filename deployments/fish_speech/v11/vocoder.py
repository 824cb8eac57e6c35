"""The vocoder of fish-speech 1.1's VQGAN, firefly-gan-base: ConvNeXt and HiFi-GAN on a log-mel spectrogram."""

import torch
from torch import Tensor, nn

from deployments.fish_speech.codec.convnext import ConvNeXtEncoder
from deployments.fish_speech.codec.sizes import ConvNeXtSize, HiFiGanSize
from deployments.layers.hifigan import HiFiGanGenerator


class Vocoder(nn.Module):
    """Log-mel spectrogram to sound; its convolutions look to both sides."""

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
