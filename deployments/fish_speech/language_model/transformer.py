"""The transformer layers that both stacks of a dual-autoregressive model are made of.

Pre-norm layers as in Touvron et al., "LLaMA" (RMSNorm, SwiGLU, rotary positions on interleaved pairs), with the
grouped query heads of Ainslie et al., "GQA". Linear maps that read the same input are one matrix each: ``wqkv``
and ``w13``.

**A row's result does not depend on its neighbours**, bit for bit, in float32 on a CPU, if a batch has a multiple
of ``row_multiple`` rows. That holds because

* a matrix product of so many rows is computed in full register tiles, each of whose rows is summed in one order,
  whatever the number of tiles and threads; fewer rows, or a rest, would take another kernel. How many rows a tile
  has depends on the processor and the library, and is measured;
* attention is a batched product over all cached entries up to a length, a softmax, and another batched product.
  What lies beyond a row's position gets the weight 0, adds exactly nothing, and stands behind all that counts.
  More of it changes no sum, but for some lengths whose terms the product groups otherwise: they are
  measured, and avoided. The fused attention kernels split any input by its length, and are not used;
* everything else sums within a row, or works element by element. Of that, what is not exact (``silu``, products of
  complex numbers) may differ in the last bit between vector units and the rest that they leave. Rows leave the
  same rest everywhere, as long as no thread begins within one: ``in_parts`` sees to that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

ROW_MULTIPLES = (4, 8, 12, 16, 24)  # register tiles of matrix products have so many rows
MOST_ROWS = 48
ONE_THREAD = 32_767  # elements that torch does not share out among threads, on a CPU
WHOLE = [slice(None)]


@dataclass(frozen=True, slots=True)
class LayerSize:
    """Sizes of a layer. ``n_local_heads`` is the number of key and value heads, a divisor of ``n_head``."""

    dim: int
    n_head: int
    n_local_heads: int
    intermediate_size: int
    norm_eps: float
    attention_qkv_bias: bool = False

    @property
    def head_dim(self) -> int:
        """Width of one head."""
        return self.dim // self.n_head


class Entries(Protocol):
    """The cached keys and values that one pass writes and reads; the pass has n positions, in any number of rows.

    ``rotary`` has their angles, complex64 of shape (n, 1, head_dim / 2).
    """

    rotary: Tensor

    def attend(self, layer: int, query: Tensor, key_value: Tensor) -> Tensor:
        """Store (n, 2, kv heads, head_dim) in a layer; return what queries (n, heads, head_dim) see, (n, dim)."""


def rotary_table(length: int, head_dim: int, base: float, device: torch.device | None = None) -> Tensor:
    """Angles of positions 0 to ``length`` - 1 as complex64 (length, head_dim / 2).

    Sine and cosine are **rounded to bfloat16**, whatever the model's type: the models were trained with such ones.
    """
    exponents = torch.arange(0, head_dim, 2, dtype=torch.float32)[: head_dim // 2] / head_dim
    angles = torch.outer(torch.arange(length, dtype=torch.float32), 1.0 / base**exponents)
    parts = torch.stack((angles.cos(), angles.sin()), dim=-1).to(torch.bfloat16).float()
    return torch.view_as_complex(parts).to(device)


def row_multiple(matrices: Sequence[Tensor]) -> int:
    """The smallest n such that a row of a product with each of the matrices, (outputs, inputs), is the same bits
    anywhere in any batch of n, 2 n, 3 n, ... rows, up to 48.
    """
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randn(MOST_ROWS, matrix.shape[1], generator=generator) for matrix in matrices]
    products = [functional.linear(some, matrix) for some, matrix in zip(rows, matrices, strict=True)]

    def holds(multiple: int) -> bool:
        return all(
            torch.equal(functional.linear(some[:count].roll(1, 0), matrix), product[:count].roll(1, 0))
            for some, matrix, product in zip(rows, matrices, products, strict=True)
            for count in range(multiple, MOST_ROWS + 1, multiple)
        )

    return next(filter(holds, ROW_MULTIPLES), MOST_ROWS)


class RMSNorm(nn.Module):
    """Root mean square normalisation (Zhang and Sennrich), in float32, over the last dimension."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self._eps = eps

    def forward(self, hidden: Tensor) -> Tensor:
        if hidden.is_cuda:
            fused: Tensor = functional.rms_norm(hidden, self.weight.shape, self.weight, self._eps)
            return fused
        whole = hidden.float()
        norm = torch.linalg.vector_norm(whole, dim=-1, keepdim=True)
        scale = norm.square_().mul_(1.0 / hidden.shape[-1]).add_(self._eps).rsqrt_()
        normed: Tensor = whole * scale
        if normed.dtype != hidden.dtype:
            normed = normed.to(hidden.dtype)
        return normed.mul_(self.weight)


class Attention(nn.Module):
    """Grouped-query attention; ``wqkv`` yields all queries, then all keys, then all values."""

    def __init__(self, size: LayerSize) -> None:
        super().__init__()
        heads = size.n_head + 2 * size.n_local_heads
        self.wqkv = nn.Linear(size.dim, heads * size.head_dim, bias=size.attention_qkv_bias)
        self.wo = nn.Linear(size.n_head * size.head_dim, size.dim, bias=False)
        self._size = size

    def forward(self, hidden: Tensor, normed: Tensor, layer: int, entries: Entries) -> Tensor:
        """``hidden`` + attention of ``normed``, both (n, dim)."""
        size = self._size
        heads: Tensor = self.wqkv(normed).view(hidden.shape[0], -1, size.head_dim)
        turned = rotate(heads[:, : size.n_head + size.n_local_heads], entries.rotary)
        key_value = heads[:, size.n_head :].view(hidden.shape[0], 2, size.n_local_heads, size.head_dim)
        mixed = entries.attend(layer, turned[:, : size.n_head], key_value)
        return torch.addmm(hidden, mixed, self.wo.weight.t())


def in_parts(tensor: Tensor) -> list[slice]:
    """Rows of a tensor, in parts on each of which one thread works, with element-wise functions of a CPU."""
    if tensor.is_cuda or tensor.numel() <= ONE_THREAD:
        return WHOLE
    rows = max(1, ONE_THREAD * tensor.shape[0] // tensor.numel())
    return [slice(begin, begin + rows) for begin in range(0, tensor.shape[0], rows)]


def rotate(heads: Tensor, angles: Tensor) -> Tensor:
    """Turn each pair (x0, x1), (x2, x3), ... of (n, heads, head_dim), in place, by complex (n, 1, head_dim / 2).

    Computed in float32. Returns ``heads``.
    """
    pairs = torch.view_as_complex(heads.float().view(*heads.shape[:-1], -1, 2))
    for part in in_parts(pairs):
        pairs[part].mul_(angles if angles.shape[0] == 1 else angles[part])
    if heads.dtype != torch.float32:
        heads.copy_(torch.view_as_real(pairs).flatten(-2))
    return heads


class FeedForward(nn.Module):
    """w2(silu(w1 x) * w3 x); ``w13`` yields w1's outputs, then w3's."""

    def __init__(self, size: LayerSize) -> None:
        super().__init__()
        self.w13 = nn.Linear(size.dim, 2 * size.intermediate_size, bias=False)
        self.w2 = nn.Linear(size.intermediate_size, size.dim, bias=False)

    def forward(self, hidden: Tensor, normed: Tensor) -> Tensor:
        """``hidden`` + feed-forward of ``normed``, both (n, dim)."""
        gate, up = self.w13(normed).chunk(2, dim=-1)
        for part in in_parts(gate):
            functional.silu(gate[part], inplace=True)
        return torch.addmm(hidden, gate.mul_(up), self.w2.weight.t())


class Layer(nn.Module):
    """Attention, then feed-forward, each of a normalised input and added to it."""

    def __init__(self, size: LayerSize) -> None:
        super().__init__()
        self.attention = Attention(size)
        self.feed_forward = FeedForward(size)
        self.attention_norm = RMSNorm(size.dim, size.norm_eps)
        self.ffn_norm = RMSNorm(size.dim, size.norm_eps)

    def forward(self, hidden: Tensor, layer: int, entries: Entries) -> Tensor:
        """(n, dim) to (n, dim). Writes the keys and values of layer number ``layer`` to ``entries``."""
        hidden = self.attention(hidden, self.attention_norm(hidden), layer, entries)
        attended: Tensor = self.feed_forward(hidden, self.ffn_norm(hidden))
        return attended
