"""HiFi-GAN (Kong et al.) as VITS has it: leaky ReLU, conditioned on the speaker, residual blocks in one list."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from deployments.fish_speech.v11.vits_size import SynthesizerSize
from deployments.layers.convolution import Conv1d, ConvTranspose1d

KERNEL = 7
SLOPE, LAST_SLOPE = 0.1, 0.01


class LeakyResidualBlock(nn.Module):
    """Pairs of convolutions, the first of them dilated, each pair added to what went in."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(
            Conv1d(channels, channels, kernel, dilation=d, padding=(kernel - 1) * d // 2) for d in dilations
        )
        self.convs2 = nn.ModuleList(Conv1d(channels, channels, kernel, padding=kernel // 2) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, time) to the same."""
        for first, second in zip(self.convs1, self.convs2, strict=True):
            y = first(functional.leaky_relu(x, SLOPE))
            x = x + second(functional.leaky_relu(y, SLOPE))
        return x


class Generator(nn.Module):
    """Latents to sound."""

    def __init__(self, size: SynthesizerSize) -> None:
        super().__init__()
        first = size.upsample_initial_channel
        widths = [first >> stage for stage in range(len(size.upsample_rates) + 1)]
        self.conv_pre = Conv1d(size.inter_channels, first, KERNEL, padding=KERNEL // 2)
        self.cond = Conv1d(size.gin_channels, first, 1)
        self.ups = nn.ModuleList(
            ConvTranspose1d(wide, narrow, kernel, stride=rate, padding=(kernel - rate) // 2)
            for wide, narrow, kernel, rate in zip(
                widths, widths[1:], size.upsample_kernel_sizes, size.upsample_rates, strict=False
            )
        )
        self.resblocks = nn.ModuleList(
            LeakyResidualBlock(channels, kernel, dilations)
            for channels in widths[1:]
            for kernel, dilations in zip(size.resblock_kernel_sizes, size.resblock_dilation_sizes, strict=True)
        )
        self.conv_post = Conv1d(widths[-1], 1, KERNEL, padding=KERNEL // 2, bias=False)
        self._kernels = len(size.resblock_kernel_sizes)

    def forward(self, z: Tensor, speaker: Tensor) -> Tensor:
        """Sound (batch, samples) of latents (batch, inter_channels, time) and speaker (batch, gin_channels, 1)."""
        x = self.conv_pre(z) + self.cond(speaker)
        for stage, upsample in enumerate(self.ups):
            x = upsample(functional.leaky_relu(x, SLOPE))
            blocks = self.resblocks[stage * self._kernels : (stage + 1) * self._kernels]
            x = torch.stack([block(x) for block in blocks]).mean(0)
        x = functional.leaky_relu(x, LAST_SLOPE).to(self.conv_post.weight.dtype)
        sound: Tensor = torch.tanh(self.conv_post(x))
        return sound.squeeze(1)

    def cast_decoder(self, dtype: torch.dtype) -> None:
        """Let all but the last convolution compute in ``dtype``."""
        self.to(dtype)
        self.conv_post.to(torch.promote_types(dtype, torch.float32))
