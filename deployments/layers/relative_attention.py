"""Attention of VITS (Kim et al.) over (batch, channels, time), with relative positions (Shaw et al.)."""

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

WINDOW = 4  # distances beyond it count as equal
EPSILON = 1e-5


class VITSNorm(nn.Module):
    """Layer normalisation over channels, with VITS's names."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, time) to the same."""
        normed = functional.layer_norm(x.transpose(1, 2), self.gamma.shape, self.gamma, self.beta, EPSILON)
        return normed.transpose(1, 2)


class RelativeAttention(nn.Module):
    """Multi-head attention; with ``window``, keys and values know how far they are from the query, up to it."""

    def __init__(self, channels: int, heads: int, window: int | None = None) -> None:
        super().__init__()
        self.conv_q, self.conv_k, self.conv_v, self.conv_o = (nn.Conv1d(channels, channels, 1) for _ in range(4))
        self._heads, self._width, self._window = heads, channels // heads, window
        if window is not None:  # one table for all heads
            self.emb_rel_k = nn.Parameter(torch.zeros(1, 2 * window + 1, self._width))
            self.emb_rel_v = nn.Parameter(torch.zeros(1, 2 * window + 1, self._width))

    def forward(self, x: Tensor, source: Tensor, seen: Tensor) -> Tensor:
        """What queries ``x`` (batch, channels, time) find in ``source`` (batch, channels, any), in their shape.

        ``seen`` (batch, 1, any) is false for the positions of ``source`` that are padding.
        """
        query = self._split(self.conv_q(x)) / sqrt(self._width)
        key, value = self._split(self.conv_k(source)), self._split(self.conv_v(source))
        scores = query @ key.transpose(-1, -2)
        if self._window is not None:
            self._add_near(scores, query @ self.emb_rel_k[0].T, self._window)
        weights = scores.masked_fill(~seen[:, None], -torch.inf).softmax(-1)
        mixed = weights @ value
        if self._window is not None:
            mixed = mixed + self._near(weights, self._window) @ self.emb_rel_v[0]
        attended: Tensor = self.conv_o(mixed.transpose(-1, -2).flatten(1, 2))
        return attended

    def _split(self, projected: Tensor) -> Tensor:
        """(batch, channels, time) to (batch, heads, time, width)."""
        batch, _, time = projected.shape
        return projected.view(batch, self._heads, self._width, time).transpose(-1, -2)

    @staticmethod
    def _add_near(scores: Tensor, relative: Tensor, window: int) -> None:
        """Add what depends on the distance, (..., time, 2 * window + 1), to scores (..., time, time)."""
        time = scores.shape[-1]
        for offset in range(max(-window, 1 - time), min(window, time - 1) + 1):
            first, end = max(0, -offset), min(time, time - offset)
            scores.diagonal(offset, -2, -1).add_(relative[..., first:end, offset + window])

    @staticmethod
    def _near(weights: Tensor, window: int) -> Tensor:
        """The weights (..., time, 2 * window + 1) of near positions among those of all, (..., time, time)."""
        time = weights.shape[-1]
        near = weights.new_zeros((*weights.shape[:-1], 2 * window + 1))
        for offset in range(max(-window, 1 - time), min(window, time - 1) + 1):
            first, end = max(0, -offset), min(time, time - offset)
            near[..., first:end, offset + window] = weights.diagonal(offset, -2, -1)
        return near


class ConvFeedForward(nn.Module):
    """Two convolutions with a ReLU between."""

    def __init__(self, channels: int, wide: int, kernel: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv1d(channels, wide, kernel, padding=kernel // 2)
        self.conv_2 = nn.Conv1d(wide, channels, kernel, padding=kernel // 2)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """(batch, channels, time) to the same; padding counts as zeros."""
        fed: Tensor = self.conv_2(functional.relu(self.conv_1(x * seen)) * seen)
        return fed


class AttentionEncoder(nn.Module):
    """Layers of self-attention with relative positions, normalised after each addition."""

    def __init__(self, channels: int, wide: int, heads: int, layers: int, kernel: int) -> None:
        super().__init__()
        self.attn_layers = nn.ModuleList(RelativeAttention(channels, heads, WINDOW) for _ in range(layers))
        self.norm_layers_1 = nn.ModuleList(VITSNorm(channels) for _ in range(layers))
        self.ffn_layers = nn.ModuleList(ConvFeedForward(channels, wide, kernel) for _ in range(layers))
        self.norm_layers_2 = nn.ModuleList(VITSNorm(channels) for _ in range(layers))

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """(batch, channels, time) to the same. ``seen`` (batch, 1, time) is false where there is padding."""
        for attend, norm_1, feed, norm_2 in zip(
            self.attn_layers, self.norm_layers_1, self.ffn_layers, self.norm_layers_2, strict=True
        ):
            x = norm_1(x + attend(x, x, seen))
            x = norm_2(x + feed(x, seen))
        return x
