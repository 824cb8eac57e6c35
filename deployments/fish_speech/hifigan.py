"""The HiFi-GAN generator (Kong et al., "HiFi-GAN") with SiLU, as fish-speech's vocoders have it."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from deployments.fish_speech.codec_config import HiFiGanSize
from deployments.fish_speech.convolution import Padding, conv1d, conv_transpose1d


class ResidualBlock(nn.Module):
    """Pairs of convolutions, each pair added to what went in.

    The first of a pair is dilated, and so is the second of a causal pair.
    """

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...], padding: Padding) -> None:
        super().__init__()
        seconds = dilations if padding == "causal" else (1,) * len(dilations)
        self.convs1 = nn.ModuleList(conv1d(padding, channels, channels, kernel, dilation=d) for d in dilations)
        self.convs2 = nn.ModuleList(conv1d(padding, channels, channels, kernel, dilation=d) for d in seconds)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, time) to the same."""
        for first, second in zip(self.convs1, self.convs2, strict=True):
            x = x + second(functional.silu(first(functional.silu(x))))
        return x


class ParallelBlocks(nn.Module):
    """The mean of residual blocks of different kernels."""

    def __init__(self, channels: int, size: HiFiGanSize, padding: Padding) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ResidualBlock(channels, kernel, dilations, padding)
            for kernel, dilations in zip(size.resblock_kernel_sizes, size.resblock_dilation_sizes, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, time) to the same."""
        mixed = self.blocks[0](x)
        for block in self.blocks[1:]:
            mixed = mixed + block(x)
        mean: Tensor = mixed / len(self.blocks)
        return mean


class HiFiGanGenerator(nn.Module):
    """Features to sound. Every stage doubles down on time: more samples, half the channels."""

    def __init__(self, size: HiFiGanSize, padding: Padding) -> None:
        super().__init__()
        widths = (size.upsample_initial_channel, *size.channels)
        self.conv_pre = conv1d(padding, size.num_mels, widths[0], size.pre_conv_kernel_size)
        self.ups = nn.ModuleList(
            conv_transpose1d(padding, wide, narrow, kernel, rate)
            for wide, narrow, kernel, rate in zip(
                widths, size.channels, size.upsample_kernel_sizes, size.upsample_rates, strict=False
            )
        )
        self.resblocks = nn.ModuleList(ParallelBlocks(channels, size, padding) for channels in size.channels)
        self.conv_post = conv1d(padding, widths[-1], 1, size.post_conv_kernel_size)
        self._last_dtype = torch.float32

    def forward(self, features: Tensor) -> Tensor:
        """(batch, num_mels, time) in the weights' type to sound (batch, time * hop_length)."""
        x = self.conv_pre(features)
        for upsample, blocks in zip(self.ups, self.resblocks, strict=True):
            x = blocks(upsample(functional.silu(x)))
        sound: Tensor = torch.tanh(self.conv_post(functional.silu(x).to(self._last_dtype)))
        return sound.squeeze(1)

    def cast_decoder(self, dtype: torch.dtype) -> None:
        """Let all but the last convolution compute in ``dtype``: that one costs next to nothing, and a sample in
        bfloat16 would have eight bits.
        """
        for part in (self.conv_pre, self.ups, self.resblocks):
            part.to(dtype)
        self._last_dtype = torch.promote_types(dtype, torch.float32)
        self.conv_post.to(self._last_dtype)
