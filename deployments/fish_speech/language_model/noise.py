"""Random draws that depend on nothing but a request's seed and on where in its speech they are used.

A counter is hashed, as in Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", with the mixing function
of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators"). It is integer arithmetic
that wraps around, the same on every device, and it can be part of a CUDA graph.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

_INCREMENT = 0x9E3779B97F4A7C15 - (1 << 64)  # odd; as int64
_FRAME_INCREMENT = 0xD1342543DE82EF95 - (1 << 64)
_MULTIPLIERS = (0xBF58476D1CE4E5B9 - (1 << 64), 0x94D049BB133111EB - (1 << 64))
_CODEBOOK_SHIFT = 32  # counters of different codebooks are that far apart
_BITS = 52  # with a half added they are exact in float64, and never 0 or 1


class FrameNoise:
    """Draws from Exp(1) for all codebooks of a frame at once, ``widths[c]`` of them for codebook c."""

    def __init__(self, widths: Sequence[int], device: torch.device | None = None) -> None:
        self._steps = torch.cat([_steps(codebook, width) for codebook, width in enumerate(widths)]).to(device)

    def __call__(self, seed: Tensor, frame: Tensor) -> Tensor:
        """Float32 (B, sum of widths) for int64 ``seed`` and ``frame``, both (B,). Never 0, never infinite."""
        keys = _mix(_mix(seed + _INCREMENT) + frame * _FRAME_INCREMENT)
        bits = _shifted(_mix(keys[:, None] + self._steps), 64 - _BITS)
        # The logarithm may differ in a float64's last bit between the vector units and the rest of a row. Rounding
        # to float32 takes that away.
        return bits.double().add_(0.5).mul_(2.0**-_BITS).log_().neg_().float()


def _steps(codebook: int, width: int) -> Tensor:
    return (torch.arange(width) + (codebook << _CODEBOOK_SHIFT)) * _INCREMENT


def _mix(bits: Tensor) -> Tensor:
    bits = (bits ^ _shifted(bits, 30)) * _MULTIPLIERS[0]
    bits = (bits ^ _shifted(bits, 27)) * _MULTIPLIERS[1]
    return bits ^ _shifted(bits, 31)


def _shifted(bits: Tensor, by: int) -> Tensor:
    """Shift right, with zeros from the left."""
    return (bits >> by) & ((1 << (64 - by)) - 1)
