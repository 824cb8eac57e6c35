"""The normalising flow of VITS (Kim et al.), run backwards: from the prior to what the generator speaks."""

import torch
from torch import Tensor, nn

KERNEL = 5
LAYERS = 4
COUPLINGS = 4


class GatedLayers(nn.Module):
    """A WaveNet of WaveGlow's kind (Prenger et al.), conditioned on the speaker."""

    def __init__(self, channels: int, speaker_channels: int) -> None:
        super().__init__()
        self.in_layers = nn.ModuleList(
            nn.Conv1d(channels, 2 * channels, KERNEL, padding=KERNEL // 2) for _ in range(LAYERS)
        )
        self.res_skip_layers = nn.ModuleList(
            nn.Conv1d(channels, channels if layer == LAYERS - 1 else 2 * channels, 1) for layer in range(LAYERS)
        )
        self.cond_layer = nn.Conv1d(speaker_channels, 2 * channels * LAYERS, 1)

    def forward(self, x: Tensor, speaker: Tensor) -> Tensor:
        """(batch, channels, time) to the same; speaker (batch, speaker channels, 1)."""
        conditions = self.cond_layer(speaker).chunk(LAYERS, 1)
        skips = torch.zeros_like(x)
        for widen, split, condition in zip(self.in_layers, self.res_skip_layers, conditions, strict=True):
            filtered, gate = (widen(x) + condition).chunk(2, 1)
            y = split(torch.tanh(filtered) * torch.sigmoid(gate))
            if y.shape[1] > x.shape[1]:  # all but the last layer
                residual, y = y.chunk(2, 1)
                x = x + residual
            skips = skips + y
        return skips


class Coupling(nn.Module):
    """Half of the channels is shifted by what the network makes of the other half."""

    def __init__(self, channels: int, hidden: int, speaker_channels: int) -> None:
        super().__init__()
        self.pre = nn.Conv1d(channels // 2, hidden, 1)
        self.enc = GatedLayers(hidden, speaker_channels)
        self.post = nn.Conv1d(hidden, channels // 2, 1)

    def forward(self, x: Tensor, speaker: Tensor) -> Tensor:
        """The inverse: (batch, channels, time) to the same."""
        kept, shifted = x.chunk(2, 1)
        shift = self.post(self.enc(self.pre(kept), speaker))
        return torch.cat([kept, shifted - shift], 1)


class Flip(nn.Module):
    """The channels in opposite order, so that the next coupling shifts the other half."""

    def forward(self, x: Tensor, speaker: Tensor) -> Tensor:
        """(batch, channels, time) to the same."""
        return x.flip(1)


class InverseFlow(nn.Module):
    """Couplings and flips, taken from the last to the first."""

    def __init__(self, channels: int, hidden: int, speaker_channels: int) -> None:
        super().__init__()
        self.flows = nn.ModuleList()
        for _ in range(COUPLINGS):
            self.flows.extend([Coupling(channels, hidden, speaker_channels), Flip()])

    def forward(self, z_p: Tensor, speaker: Tensor) -> Tensor:
        """Latents (batch, channels, time) of a sample of the prior."""
        z = z_p
        for flow in reversed(self.flows):
            z = flow(z, speaker)
        return z
