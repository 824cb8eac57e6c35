"""How far back the sound of a frame depends on the frames before it."""

from deployments.fish_speech.codec.convnext import BLOCK_KERNEL
from deployments.fish_speech.codec.sizes import HiFiGanSize, QuantizerSize
from deployments.layers.hifigan import before_transposed, causal_reach


def left_context(quantizer: QuantizerSize, head: HiFiGanSize) -> int:
    """How many code frames before a frame its sound depends on, all of the decoder being causal.

    Goes back through the layers from the first sample of a frame, the earliest position that each layer needs.
    """
    position = causal_reach(head, 0).features
    for factor in quantizer.downsample_factor:
        position = before_transposed(position + 1 - BLOCK_KERNEL, factor, factor)
    return -position
