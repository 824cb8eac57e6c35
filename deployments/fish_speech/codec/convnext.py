"""ConvNeXt over time (Liu et al., "A ConvNet for the 2020s"), as fish-speech's codecs have it."""

from torch import Tensor, nn
from torch.nn import functional

from deployments.fish_speech.codec.sizes import ConvNeXtSize
from deployments.layers.convolution import Conv1d, Padding, conv1d

EPSILON = 1e-6
BLOCK_KERNEL = 7
WIDENING = 4


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of (batch, channels, time)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, normalisation, a layer four times as wide with GELU, scaled; added to the input."""

    def __init__(self, channels: int, padding: Padding, kernel: int = BLOCK_KERNEL) -> None:
        super().__init__()
        self.dwconv = conv1d(padding, channels, channels, kernel, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=EPSILON)
        self.pwconv1 = nn.Linear(channels, WIDENING * channels)
        self.pwconv2 = nn.Linear(WIDENING * channels, channels)
        self.gamma = nn.Parameter(self.norm.weight.new_ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, time) to the same."""
        y = self.norm(self.dwconv(x).transpose(1, 2))
        y = self.pwconv2(functional.gelu(self.pwconv1(y))) * self.gamma
        mixed: Tensor = x + y.transpose(1, 2)
        return mixed


class ConvNeXtEncoder(nn.Module):
    """Mel spectrogram to features of the same length; ``downsample_layers`` change the channels only."""

    def __init__(self, size: ConvNeXtSize, padding: Padding) -> None:
        super().__init__()
        first, *_, last = size.dims
        self.downsample_layers = nn.ModuleList(
            [nn.Sequential(conv1d(padding, size.input_channels, first, size.kernel_size), ChannelNorm(first))]
        )
        for narrow, wide in zip(size.dims, size.dims[1:], strict=False):
            self.downsample_layers.append(nn.Sequential(ChannelNorm(narrow), Conv1d(narrow, wide, 1)))
        self.stages = nn.ModuleList(
            nn.Sequential(*(ConvNeXtBlock(channels, padding, size.kernel_size) for _ in range(depth)))
            for channels, depth in zip(size.dims, size.depths, strict=True)
        )
        self.norm = ChannelNorm(last)

    def forward(self, mel: Tensor) -> Tensor:
        """(batch, mels, frames) to (batch, dims[-1], frames)."""
        x = mel
        for transition, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(transition(x))
        features: Tensor = self.norm(x)
        return features
