"""The codec's way from codes to sound with gradients; the engine's computes in place."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from deployments.fish_speech.v15.firefly import Firefly


def _residual(block: nn.Module, x: Tensor) -> Tensor:
    for first, second in zip(block.convs1, block.convs2, strict=True):
        x = x + second(functional.silu(first(functional.silu(x))))
    return x


def sound_of(network: Firefly, codes: Tensor) -> Tensor:
    """Sound (batch, samples) of codes (batch, codebooks, time)."""
    head = network.head
    x = head.conv_pre(network.quantizer.decode(codes))
    for upsample, parallel in zip(head.ups, head.resblocks, strict=True):
        x = upsample(functional.silu(x))
        x = torch.stack([_residual(block, x) for block in parallel.blocks]).mean(0)
    return torch.tanh(head.conv_post(functional.silu(x))).squeeze(1)
