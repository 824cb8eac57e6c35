"""The quantiser of fish-speech's codecs: fewer frames, grouped FSQ, more frames again."""

import torch
from torch import Tensor, nn

from deployments.fish_speech.codec.convnext import ConvNeXtBlock
from deployments.fish_speech.codec.fsq import GroupedFSQ
from deployments.fish_speech.codec.sizes import QuantizerSize
from deployments.layers.convolution import Padding, conv1d, conv_transpose1d


class DownsampleQuantizer(nn.Module):
    """Features to codes and back, with a ConvNeXt block after every change of the frame rate."""

    def __init__(self, size: QuantizerSize, padding: Padding) -> None:
        super().__init__()
        channels = size.input_dim
        self.downsample = nn.Sequential(
            *(
                nn.Sequential(
                    conv1d(padding, channels, channels, factor, stride=factor), ConvNeXtBlock(channels, padding)
                )
                for factor in size.downsample_factor
            )
        )
        self.residual_fsq = GroupedFSQ(channels, size.n_groups, size.levels)
        self.upsample = nn.Sequential(
            *(
                nn.Sequential(
                    conv_transpose1d(padding, channels, channels, factor, factor), ConvNeXtBlock(channels, padding)
                )
                for factor in reversed(size.downsample_factor)
            )
        )

    def encode(self, features: Tensor) -> Tensor:
        """Int32 codes (batch, groups, time / factor) of float32 features (batch, channels, time).

        An incomplete last frame is completed if the padding is causal, else dropped.
        """
        return self.residual_fsq.encode(self.downsample(features))

    def decode(self, codes: Tensor) -> Tensor:
        """Features (batch, channels, time * factor) of int codes (batch, groups, time)."""
        features: Tensor = self.upsample(self.residual_fsq.decode(codes))
        return features

    def cast_decoder(self, dtype: torch.dtype) -> None:
        """Let ``decode`` compute in ``dtype``."""
        self.residual_fsq.cast_decoder(dtype)
        self.upsample.to(dtype)
