"""Convolutions over time that keep its length, in the two ways of fish-speech's codecs.

``causal`` (1.5) pads the past only, so that no output depends on a later input; its parameters have one more level
in their names, ``.conv``. ``centred`` (1.1) pads both sides alike.
"""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

Padding = Literal["causal", "centred"]


class CausalConv1d(nn.Module):
    """A convolution padded with zeros on the left, and on the right only to complete the last stride."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, dilation: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, stride=stride, dilation=dilation, groups=groups)
        self._left = (kernel - 1) * dilation + 1 - stride
        self._stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, time) to (batch, outputs, ceil(time / stride))."""
        convolved: Tensor = self.conv(functional.pad(x, (self._left, -x.shape[-1] % self._stride)))
        return convolved


class CausalConvTranspose1d(nn.Module):
    """A transposed convolution without what reaches beyond the last input's stride."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose1d(inputs, outputs, kernel, stride=stride)
        self._stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, time) to (batch, outputs, time * stride)."""
        convolved: Tensor = self.conv(x)
        return convolved[..., : x.shape[-1] * self._stride]


def conv1d(
    padding: Padding,
    inputs: int,
    outputs: int,
    kernel: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = True,
) -> nn.Module:
    """A convolution of (batch, inputs, time); centred ones drop an incomplete last stride."""
    if padding == "causal":
        return CausalConv1d(inputs, outputs, kernel, stride=stride, dilation=dilation, groups=groups)
    return nn.Conv1d(
        inputs,
        outputs,
        kernel,
        stride=stride,
        padding=(kernel - 1) * dilation // 2 if stride == 1 else 0,
        dilation=dilation,
        groups=groups,
        bias=bias,
    )


def conv_transpose1d(padding: Padding, inputs: int, outputs: int, kernel: int, stride: int) -> nn.Module:
    """A transposed convolution that makes ``stride`` outputs of every input."""
    if padding == "causal":
        return CausalConvTranspose1d(inputs, outputs, kernel, stride)
    return nn.ConvTranspose1d(inputs, outputs, kernel, stride=stride, padding=(kernel - stride) // 2)
