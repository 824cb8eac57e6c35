"""How far back the sound of a frame depends on the frames before it."""

from deployments.fish_speech.codec_config import HiFiGanSize, QuantizerSize
from deployments.fish_speech.convnext import BLOCK_KERNEL


def left_context(quantizer: QuantizerSize, head: HiFiGanSize) -> int:
    """How many code frames before a frame its sound depends on, all of the decoder being causal.

    Goes back through the layers from the first sample of a frame, the earliest position that each layer needs.
    """
    position = 1 - head.post_conv_kernel_size
    widest = max(
        2 * (kernel - 1) * sum(dilations)
        for kernel, dilations in zip(head.resblock_kernel_sizes, head.resblock_dilation_sizes, strict=True)
    )
    for rate, kernel in reversed(list(zip(head.upsample_rates, head.upsample_kernel_sizes, strict=True))):
        position = _before_transposed(position - widest, kernel, rate)
    position += 1 - head.pre_conv_kernel_size
    for factor in quantizer.downsample_factor:
        position = _before_transposed(position + 1 - BLOCK_KERNEL, factor, factor)
    return -position


def _before_transposed(position: int, kernel: int, rate: int) -> int:
    """The first input of a causal transposed convolution that reaches the output at ``position``: rounded up."""
    return -((kernel - 1 - position) // rate)
