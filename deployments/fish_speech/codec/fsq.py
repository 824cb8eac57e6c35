"""Finite scalar quantisation (Mentzer et al., "Finite Scalar Quantization: VQ-VAE Made Simple") in groups.

A vector is projected to a few numbers, each is bounded and rounded to one of its levels, and the levels are the
digits of the code, the first one counting least. As in the original, numbers are bounded twice before rounding.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import prod
from operator import mul
from typing import cast

import torch
from torch import Tensor, nn

SLACK = 1.001  # the bound lies this much beyond the outermost levels, so that they can be reached


class Levels(nn.Module):
    """The grid: numbers of shape (..., len(levels)) to codes of shape (...,) and back. It has no parameters."""

    reach: Tensor
    offset: Tensor
    shift: Tensor
    sizes: Tensor
    basis: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        self.entries = prod(levels)
        sizes = torch.tensor(levels, dtype=torch.int64, device="cpu")  # real ones, even if the network is not yet
        half = (sizes - 1) * SLACK / 2
        offset = torch.where(sizes % 2 == 0, 0.5, 0.0)
        basis = torch.tensor([1, *accumulate(levels[:-1], mul)], dtype=torch.int64, device="cpu")
        for name, tensor in (
            ("reach", half),
            ("offset", offset),
            ("shift", torch.atanh(offset / half)),
            ("sizes", sizes),
            ("basis", basis),
        ):
            self.register_buffer(name, tensor, persistent=False)

    def bound(self, z: Tensor) -> Tensor:
        """Numbers squeezed into the range of their levels, around zero."""
        return torch.tanh(z + self.shift) * self.reach - self.offset

    def codes(self, z: Tensor) -> Tensor:
        """Int32 codes (...) of float32 numbers (..., len(levels))."""
        digits = torch.round(self.bound(self.bound(z))).to(torch.int64) + self.sizes // 2
        return (digits * self.basis).sum(-1).to(torch.int32)

    def values(self, codes: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """What codes (...) stand for, (..., len(levels)) in [-1, 1]; codes outside are taken as the nearest."""
        known = codes.to(torch.int64).clamp(0, self.entries - 1)
        middle = self.sizes // 2
        digits = known[..., None] // self.basis % self.sizes
        return (digits - middle).to(dtype) / middle.to(dtype)


class _FsqProjections(nn.Module):
    def __init__(self, channels: int, digits: int) -> None:
        super().__init__()
        self.project_in = nn.Linear(channels, digits)
        self.project_out = nn.Linear(digits, channels)


class GroupedFSQ(nn.Module):
    """Channels cut into groups, each with projections of its own; one code per group."""

    def __init__(self, channels: int, groups: int, levels: Sequence[int]) -> None:
        super().__init__()
        self.rvqs = nn.ModuleList(_FsqProjections(channels // groups, len(levels)) for _ in range(groups))
        self.levels = Levels(levels)

    def encode(self, latents: Tensor) -> Tensor:
        """Int32 codes (batch, groups, time) of latents (batch, channels, time), float32."""
        chunks = latents.transpose(1, 2).chunk(len(self.rvqs), -1)
        projected = [group.project_in(chunk) for group, chunk in zip(self._groups(), chunks, strict=True)]
        return self.levels.codes(torch.stack(projected, 1))

    def decode(self, codes: Tensor) -> Tensor:
        """Latents (batch, channels, time) of int codes (batch, groups, time), in the weights' type."""
        weight = torch.stack([group.project_out.weight for group in self._groups()])
        bias = torch.stack([group.project_out.bias for group in self._groups()])
        values = self.levels.values(codes, weight.dtype)
        latents = torch.einsum("bgtd,gcd->btgc", values, weight) + bias
        return latents.flatten(2).transpose(1, 2)

    def cast_decoder(self, dtype: torch.dtype) -> None:
        """Let ``decode`` compute in ``dtype``."""
        for group in self._groups():
            group.project_out.to(dtype)

    def _groups(self) -> Iterable[_FsqProjections]:
        return cast(Iterable[_FsqProjections], self.rvqs)
