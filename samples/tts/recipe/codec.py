"""The codec, 25 frames of four codes a second, in the form in which it is trained."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from deployments.fish_speech.codec.convnext import ConvNeXtBlock
from deployments.fish_speech.codec.sizes import ConvNeXtSize, QuantizerSize
from deployments.fish_speech.v15.firefly import Firefly, FireflySize
from deployments.layers.sizes import HiFiGanSize, MelSize

SIZE = FireflySize(
    sample_rate=16_000,
    spec_transform=MelSize(
        sample_rate=16_000, n_fft=1_024, win_length=1_024, hop_length=320, n_mels=80, f_max=8_000
    ),
    backbone=ConvNeXtSize(input_channels=80, depths=(1, 1, 2, 1), dims=(64, 96, 128, 128)),
    quantizer=QuantizerSize(input_dim=128, n_groups=4, levels=(8, 5, 5), downsample_factor=(2,)),
    head=HiFiGanSize(
        hop_length=320,
        upsample_rates=(8, 8, 5),
        upsample_kernel_sizes=(16, 16, 10),
        resblock_kernel_sizes=(3, 7),
        resblock_dilation_sizes=((1, 3), (1, 3)),
        num_mels=128,
        upsample_initial_channel=128,
        pre_conv_kernel_size=7,
    ),
)
SAMPLE_RATE = SIZE.spec_transform.sample_rate
FRAME_SAMPLES = SIZE.spec_transform.hop_length * SIZE.quantizer.factor
CODEBOOKS, CODES = SIZE.quantizer.n_groups, SIZE.quantizer.entries
#: The original starts with 1e-6, from which a small network that is trained briefly does not come away.
FIRST_GAMMA = 0.1


def build_codec(stored: Path | None = None) -> Firefly:
    """The codec with its head in weight normalisation; fresh, or with the weights of the file ``stored``."""
    network = Firefly(SIZE)
    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
            nn.init.normal_(module.weight, 0, 0.02)
            assert module.bias is not None
            nn.init.zeros_(module.bias)
    for block in network.modules():
        if isinstance(block, ConvNeXtBlock):
            nn.init.constant_(block.gamma, FIRST_GAMMA)
            nn.init.trunc_normal_(block.pwconv1.weight, std=0.05)
            nn.init.trunc_normal_(block.pwconv2.weight, std=0.05)
            depthwise = next(module for module in block.dwconv.modules() if isinstance(module, nn.Conv1d))
            nn.init.normal_(depthwise.weight, 0, 0.2)
    for module in list(network.head.modules()):
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
            nn.init.normal_(module.weight, 0, 0.03)
            weight_norm(module)
    if stored is not None:
        network.load_state_dict(torch.load(stored, weights_only=True))
    return network


def pass_through_codes(network: Firefly, mel: Tensor) -> Tensor:
    """Features (batch, channels, frames) as the head sees them; gradients pass the rounding unchanged."""
    quantizer = network.quantizer
    latents = quantizer.downsample(network.backbone(mel)).transpose(1, 2)
    levels, parts = quantizer.residual_fsq.levels, []
    for group, chunk in zip(quantizer.residual_fsq.rvqs, latents.chunk(CODEBOOKS, -1), strict=True):
        bounded = levels.bound(levels.bound(group.project_in(chunk)))
        rounded = bounded + (torch.round(bounded) - bounded).detach()
        parts.append(group.project_out(rounded / (levels.sizes // 2)))
    features: Tensor = quantizer.upsample(torch.cat(parts, -1).transpose(1, 2))
    return features


def freeze_codes(network: Firefly) -> list[nn.Parameter]:
    """Fix everything that decides about codes; what is left to train comes back."""
    projections = (group.project_in for group in network.quantizer.residual_fsq.rvqs)
    for part in (network.backbone, network.quantizer.downsample, *projections):
        part.requires_grad_(False)
    return [parameter for parameter in network.parameters() if parameter.requires_grad]
