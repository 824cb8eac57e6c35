"""The HiFi-GAN generator (Kong et al., "HiFi-GAN") with SiLU, as fish-speech's vocoders have it."""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from deployments.layers.convolution import CausalConv1d, Conv1d, Padding, conv1d, conv_transpose1d
from deployments.layers.sizes import HiFiGanSize


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
        for layers in zip(self.convs1, self.convs2, strict=True):
            first, second = cast(tuple[CausalConv1d | Conv1d, CausalConv1d | Conv1d], layers)
            x = second.of_silu(first.of_silu(x)).add_(x)
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
        mixed: Tensor = self.blocks[0](x)
        for block in self.blocks[1:]:
            mixed.add_(block(x))
        return mixed.div_(len(self.blocks))


@dataclass(frozen=True, slots=True)
class Reach:
    """The earliest positions that a sample of sound depends on: among the input's features, in what every stage is
    made of and in what it makes of that at first, and in the last stage's output. Negative ones lie before the
    beginning.
    """

    features: int
    stages: tuple[tuple[int, int], ...]
    last: int


def before_transposed(position: int, kernel: int, rate: int) -> int:
    """The earliest input of a causal transposed convolution that the output at ``position`` depends on."""
    return -((kernel - 1 - position) // rate)


def causal_reach(size: HiFiGanSize, sample: int) -> Reach:
    """What the sound from ``sample`` on depends on if all padding is causal."""
    last = position = sample + 1 - size.post_conv_kernel_size
    blocks = max(
        2 * (kernel - 1) * sum(dilations)
        for kernel, dilations in zip(size.resblock_kernel_sizes, size.resblock_dilation_sizes, strict=True)
    )
    stages: list[tuple[int, int]] = []
    for rate, kernel in reversed(list(zip(size.upsample_rates, size.upsample_kernel_sizes, strict=True))):
        upsampled = position - blocks
        position = before_transposed(upsampled, kernel, rate)
        stages.append((position, upsampled))
    return Reach(position + 1 - size.pre_conv_kernel_size, tuple(reversed(stages)), last)


class _Window:
    """A signal (batch, channels, time) that starts at a position of the whole one."""

    def __init__(self, signal: Tensor) -> None:
        self.signal, self._start = signal, 0

    def drop_before(self, position: int) -> None:
        """Forget what nothing that is still to be made depends on."""
        if position > self._start:
            self.signal = self.signal[..., position - self._start :]
            self._start = position

    def replace(self, signal: Tensor, rate: int = 1) -> None:
        """Put in its place what was made of it, ``rate`` times as long."""
        self.signal, self._start = signal, self._start * rate


class HiFiGanGenerator(nn.Module):
    """Features to sound. Every stage makes more samples of half the channels."""

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
        self._size, self._causal = size, padding == "causal"

    def forward(self, features: Tensor, context: int = 0) -> Tensor:
        """(batch, num_mels, time) in the weights' type to sound (batch, (time - context) * hop_length).

        The first ``context`` features are there for the sake of what follows. If all is causal, little is made of
        them: every stage starts where what comes after depends on it.
        """
        first = context * self._size.hop_length
        reach = causal_reach(self._size, first if self._causal else 0)
        x = _Window(features)
        x.drop_before(reach.features)
        x.replace(self.conv_pre(x.signal))
        for upsample, blocks, rate, (source, upsampled) in zip(
            self.ups, self.resblocks, self._size.upsample_rates, reach.stages, strict=True
        ):
            x.drop_before(source)
            x.replace(upsample(functional.silu(x.signal)), rate)
            x.drop_before(upsampled)
            x.replace(blocks(x.signal))
        x.drop_before(reach.last)
        x.replace(torch.tanh(self.conv_post.of_silu(x.signal.to(self._last_dtype))))
        x.drop_before(first)
        return x.signal.squeeze(1)

    def cast_decoder(self, dtype: torch.dtype) -> None:
        """Let all but the last convolution compute in ``dtype``: that one costs next to nothing, and a sample in
        bfloat16 would have eight bits.
        """
        for part in (self.conv_pre, self.ups, self.resblocks):
            part.to(dtype)
        self._last_dtype = torch.promote_types(dtype, torch.float32)
        self.conv_post.to(self._last_dtype)
