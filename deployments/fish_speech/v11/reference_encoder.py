"""The speaker of a recording: the style encoder of Meta-StyleSpeech (Min et al.) on a linear spectrogram."""

from math import sqrt

from torch import Tensor, nn
from torch.nn import functional

HEADS = 2
KERNEL = 5


class Linear(nn.Module):
    """A linear layer, one level down in its names."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.fc = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        y: Tensor = self.fc(x)
        return y


class _Convolution(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, KERNEL, padding=KERNEL // 2)


class GatedConvolution(nn.Module):
    """A convolution with a gated linear unit, added to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _Convolution(channels, 2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, time) to the same."""
        return x + functional.glu(self.conv1.conv(x), 1)


class StyleAttention(nn.Module):
    """Self-attention, added to its input. Scores are divided by the root of all channels, not of a head's."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.w_qs, self.w_ks, self.w_vs, self.fc = (nn.Linear(channels, channels) for _ in range(4))
        self._scale = 1 / sqrt(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time, channels) to the same."""
        query, key, value = (
            project(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for project in (self.w_qs, self.w_ks, self.w_vs)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, scale=self._scale)
        attended: Tensor = self.fc(mixed.transpose(1, 2).flatten(2))
        return x + attended


class ReferenceEncoder(nn.Module):
    """Linear spectrogram to one vector: the mean of what is made of its frames."""

    def __init__(self, bins: int, hidden: int, outputs: int) -> None:
        super().__init__()
        # The gaps in the numbers are activations and dropout.
        self.spectral = nn.ModuleDict({"0": Linear(bins, hidden), "3": Linear(hidden, hidden)})
        self.temporal = nn.Sequential(GatedConvolution(hidden), GatedConvolution(hidden))
        self.slf_attn = StyleAttention(hidden)
        self.fc = Linear(hidden, outputs)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Embedding (batch, outputs, 1) of magnitudes (batch, bins, frames)."""
        x = functional.mish(self.spectral["0"](spectrogram.transpose(1, 2)))
        x = functional.mish(self.spectral["3"](x))
        x = self.temporal(x.transpose(1, 2)).transpose(1, 2)
        frames: Tensor = self.fc(self.slf_attn(x))
        return frames.mean(1)[..., None]
