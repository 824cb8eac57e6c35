"""WaveNet (van den Oord et al.; as in DiffWave, Kong et al., without the step): gated, dilated, with skips."""

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from deployments.layers.convolution import Conv1d
from deployments.layers.sizes import Count, Size

KERNEL = 3
HALVING = sqrt(0.5)  # keeps the variance of a sum of two


class WaveNetSize(Size):
    """A WaveNet. Its input has ``residual_channels`` if ``input_channels`` is None, and its output if
    ``output_channels`` is. ``condition_channels`` None: there is no condition.
    """

    residual_channels: Count = 768
    residual_layers: Count = 20
    dilation_cycle: Count = 4
    input_channels: Count | None = None
    output_channels: Count | None = None
    condition_channels: Count | None = None


class Convolution(nn.Module):
    """A centred convolution, one level down in its names."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv = Conv1d(inputs, outputs, kernel, padding=(kernel - 1) * dilation // 2, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, time) to (batch, outputs, time)."""
        convolved: Tensor = self.conv(x)
        return convolved


class WaveNetLayer(nn.Module):
    """One gated layer, whose two outputs are what goes on and what skips to the end."""

    def __init__(self, channels: int, dilation: int, condition_channels: int | None) -> None:
        super().__init__()
        self.conv_layer = Convolution(channels, 2 * channels, KERNEL, dilation)
        self.condition_projection = None
        if condition_channels is not None:
            self.condition_projection = Convolution(condition_channels, 2 * channels)
        self.output_projection = Convolution(channels, 2 * channels)

    def forward(self, x: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """(batch, channels, time) to two of the same shape."""
        y = self.conv_layer(x)
        if self.condition_projection is not None:
            y = y + self.condition_projection(condition)
        gate, filtered = y.chunk(2, 1)
        residual, skip = self.output_projection(torch.sigmoid(gate) * torch.tanh(filtered)).chunk(2, 1)
        return (x + residual) * HALVING, skip


class WaveNet(nn.Module):
    """Layers of dilation 1, 2, 4, ... which starts over after a cycle. All frames in, all frames out."""

    def __init__(self, size: WaveNetSize) -> None:
        super().__init__()
        channels = size.residual_channels
        self.input_projection = self.output_projection = None
        if size.input_channels is not None:
            self.input_projection = Convolution(size.input_channels, channels)
        self.residual_layers = nn.ModuleList(
            WaveNetLayer(channels, 2 ** (layer % size.dilation_cycle), size.condition_channels)
            for layer in range(size.residual_layers)
        )
        self.skip_projection = Convolution(channels, channels)
        if size.output_channels is not None:
            self.output_projection = Convolution(channels, size.output_channels)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """(batch, inputs, time), with a condition (batch, condition channels, time), to (batch, outputs, time)."""
        if self.input_projection is not None:
            x = functional.silu(self.input_projection(x))
        skips = torch.zeros_like(x)
        for layer in self.residual_layers:
            x, skip = layer(x, condition)
            skips = skips + skip
        x = self.skip_projection(skips / sqrt(len(self.residual_layers)))
        if self.output_projection is not None:
            x = self.output_projection(functional.silu(x))
        return x
